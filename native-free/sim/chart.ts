/** Parts of a picture: text, lines, a frame with axes. SVG without script or font, on white. */

export const WIDTH = 960;
export const LEFT = 78;
export const RIGHT = 24;
const INK = '#1f2933';
export const FAINT = '#6b7785';
export const GRID = '#e3e8ee';
export const MARK = '#b3261e';
/** Distinguishable without colour vision, in this order. */
export const COLOURS = ['#1f6fb5', '#cc6a12', '#2e7d4f', '#7b4fa3', '#8a6d1b', '#4a5a6a'];
export const DASHES = ['', '6 3', '2 3', '9 3 2 3', '4 4', '1 2'];

export interface Frame {
  readonly top: number;
  readonly height: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly svg: string;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export interface TextStyle {
  readonly size?: number;
  readonly fill?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly bold?: boolean;
  readonly turned?: boolean;
}

export function text(x: number, y: number, words: string, style: TextStyle = {}): string {
  const { size = 13, fill = INK, anchor = 'start', bold = false, turned = false } = style;
  const turn = turned ? ` transform="rotate(-90 ${x} ${y})"` : '';
  const weight = bold ? ' font-weight="bold"' : '';
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}"${weight}${turn}>${escaped(words)}</text>`;
}

export const line = (x1: number, y1: number, x2: number, y2: number, stroke: string, more = ''): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}"${more}/>`;

/** A round step that gives at most `count` lines up to `max`. */
export function roundStep(max: number, count: number): number {
  const rough = Math.max(max, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999)!;
}

/** A frame with a grid, numbers on both axes and words beside the upright one. */
export function frame(options: {
  readonly top: number;
  readonly height: number;
  readonly max: number;
  readonly seconds: number;
  readonly label: string;
}): Frame {
  const { top, height, max, seconds, label } = options;
  const x = (value: number): number => LEFT + (value / seconds) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => top + height - (value / max) * height;
  const parts: string[] = [];
  const step = roundStep(max, height > 150 ? 5 : 3);
  for (let value = 0; value <= max * 1.0001; value += step) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), value === 0 ? FAINT : GRID));
    const number = String(Number(value.toPrecision(4)));
    parts.push(text(LEFT - 8, y(value) + 4, number, { size: 12, fill: FAINT, anchor: 'end' }));
  }
  const secondStep = roundStep(seconds, 12);
  for (let s = 0; s <= seconds * 1.0001; s += secondStep) {
    parts.push(line(x(s), top + height, x(s), top + height + 5, FAINT));
    const number = String(Number(s.toPrecision(4)));
    parts.push(text(x(s), top + height + 19, number, { size: 12, fill: FAINT, anchor: 'middle' }));
  }
  parts.push(text(22, top + height / 2, label, { anchor: 'middle', turned: true }));
  return { top, height, x, y, svg: parts.join('\n') };
}

/** A whole picture around its parts. */
export const picture = (height: number, parts: readonly string[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif">
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
