/** The report of the demo of the registry: that of the border router, of other moves. */
import './border-report.mjs';
