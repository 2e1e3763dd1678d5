const powers = ["", "k", "M", "G", "T", "P"];

/** Reads `20GB` (powers of 1000), `20GiB` (powers of 1024) or `512B` as bytes. */
export function parseByteSize(text: string): number {
  const [, digits = "", letter = "", binary] =
    /^(\d{1,9}(?:\.\d{1,9})?) ?([kKMGTP]?)(i?)B$/.exec(text.trim()) ?? [];
  const power = powers.indexOf(letter === "K" ? "k" : letter);
  const isWhole = binary !== "i" || letter !== "";
  if (digits !== "" && isWhole)
    return Math.round(Number(digits) * (binary === "i" ? 1024 : 1000) ** power);
  if (/^\d+$/.test(text.trim()))
    throw new SyntaxError(`"${text}" has no unit: write ${text}B for bytes or ${text}GB`);
  throw new SyntaxError(`"${text}" is not a size such as 500MB, 20GB or 20GiB`);
}
