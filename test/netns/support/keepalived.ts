/** The command line of a keepalived that stays in the foreground, logs there, and keeps what it writes beside its configuration. */
export const keepalivedOf = (file: string): string[] => [
  ...['keepalived', '-n', '-l', '-f', file],
  ...['-p', `${file}.pid`, '-r', `${file}.vrrp`],
];
