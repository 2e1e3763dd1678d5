const powers = { "": 0, k: 1, m: 2, g: 3, t: 4 } as const;

const form = /^(\d+(?:\.\d+)?) *([kKmMgGtT]?)(i?)(B|b|bit)(?:\/s|ps)$/;

/**
 * Reads a rate as bytes per second: `100MB/s`, `100MiB/s`, `800Mbps`, `800Mbit/s`, `100M` (for
 * 100MB/s); 0 means that there is no limit. B is bytes, b is bits. What could be meant in two ways is
 * an error that shows both.
 */
export function parseRate(text: string): number {
  const word = text.trim();
  if (word === "0") return 0;
  const [, plain, short] = /^(\d+(?:\.\d+)?)([kmgt])$/i.exec(word) ?? [];
  const read = form.exec(plain === undefined ? word : `${plain}${short}B/s`);
  if (read === null) throw new SyntaxError(`"${text}" is no rate: ${hint(word)}`);
  const [, digits = "", prefix = "", binary, unit = ""] = read;
  const power = powers[prefix.toLowerCase() as keyof typeof powers];
  const scaled = Number(digits) * (binary === "" ? 1000 : 1024) ** power;
  const bytes = unit === "B" ? scaled : scaled / 8;
  if (bytes < 1) throw new SyntaxError(`"${text}" is less than a byte per second`);
  return bytes;
}

function hint(word: string): string {
  const [, digits] = /^(\d+(?:\.\d+)?)$/.exec(word) ?? [];
  if (digits !== undefined)
    return `${digits} what? Write ${digits}MB/s for megabytes or ${digits}Mbps for megabits`;
  const [, size] = /^(\d+(?:\.\d+)?[kmgt]?i?b)$/i.exec(word) ?? [];
  if (size !== undefined)
    return `that is a size; write ${size.replace(/b$/i, "B")}/s for bytes or ${size.replace(/b$/i, "bit")}/s for bits`;
  return "write for example 100MB/s, 100MiB/s, 800Mbps, or 0 for no limit";
}

/** In both units, `12.5 MB/s (100 Mbps)`. */
export function formatRate(bytesPerSecond: number): string {
  return `${scale(bytesPerSecond)}B/s (${scale(bytesPerSecond * 8)}bps)`;
}

function scale(value: number): string {
  const steps = ["", "k", "M", "G", "T"];
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  return `${Number((value / 1000 ** step).toPrecision(3))} ${steps[step]}`;
}
