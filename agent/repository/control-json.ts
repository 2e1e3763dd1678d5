import { damaged, newer } from "./damage.ts";
import type { Shape } from "./json-shape.ts";

/** A small JSON object, checked; looks at `format` first. */
export function parseControl<T>(
  bytes: Buffer,
  { shape, name, object }: { shape: Shape<T>; name: string; object: string },
): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (cause) {
    throw damaged(object, "it is no JSON document", { cause });
  }
  const format = (value as { format?: unknown } | null)?.format;
  if (Number.isSafeInteger(format) && Number(format) > 1) throw newer(object, Number(format));
  try {
    return shape(value, name);
  } catch (cause) {
    throw damaged(object, (cause as Error).message, { cause });
  }
}
