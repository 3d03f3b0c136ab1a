/** What the pictures of the demos are made of. One SVG, no script, no font; on a card of its own, so that any page may show it. */

export const WIDTH = 960;
export const LEFT = 112;
export const RIGHT = 24;
export const INK = '#1f2933';
export const FAINT = '#5f6b78';
export const GRID = '#e3e8ee';
export const BLUE = '#1f6fb5';
export const ORANGE = '#b95c0b';
export const MARK = '#b3261e';
export const GOOD = '#1a7f4b';

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** `halo`: a white rim, for words on lines. */
export const text = (x, y, words, { size = 13, fill = INK, anchor = 'start', weight = 'normal', turn = '', halo = false } = {}) =>
  `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}"${halo ? ' stroke="#ffffff" stroke-width="4" stroke-linejoin="round" paint-order="stroke"' : ''}${turn}>${escape(words)}</text>`;

export const line = (x1, y1, x2, y2, stroke, more = '') =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}"${more}/>`;

/** A number in a disc. */
export const numbered = (x, y, number) =>
  `<circle cx="${round(x)}" cy="${round(y)}" r="10" fill="${INK}"/>${text(x, y + 4.5, String(number), { fill: '#ffffff', anchor: 'middle', weight: 'bold' })}`;

export const round = (value) => Number(value.toFixed(1));

/** A round step that gives at most `count` grid lines up to `max`. */
export function roundStep(max, count) {
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** How wide words are at most, in the widest of the fonts asked for. */
export const widthOf = (words, size) => words.length * size * 0.64;

export const card = (height, parts) => `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif">
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="#ffffff" stroke="#cbd3dc"/>
${parts.join('\n')}
</svg>
`;
