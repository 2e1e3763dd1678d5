import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";

const maxText = 1000;

/**
 * A request as a log may show it: what the protocol marks with `debug_redact` is left out, bytes
 * are counted, long texts are cut.
 */
export function describeRequest(schema: DescMessage, message: Message): Record<string, unknown> {
  const values = message as unknown as Record<string, unknown>;
  const shown: Record<string, unknown> = {};
  for (const member of schema.members) {
    if (member.kind === "oneof") {
      const chosen = values[member.localName] as { case?: string; value?: unknown } | undefined;
      const field = member.fields.find(({ localName }) => localName === chosen?.case);
      if (field !== undefined) shown[field.localName] = describe(field, chosen?.value);
    } else {
      const value = values[member.localName];
      if (value !== undefined) shown[member.localName] = describe(member, value);
    }
  }
  return shown;
}

function describe(field: DescField, value: unknown): unknown {
  if (field.proto.options?.debugRedact === true) return "[redacted]";
  if (Array.isArray(value)) return value.map((one: unknown) => describeOne(field, one));
  if (field.fieldKind !== "map") return describeOne(field, value);
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(entries.map(([key, one]) => [key, describeOne(field, one)]));
}

function describeOne(field: DescField, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string")
    return value.length > maxText ? `${value.slice(0, maxText)}… (${value.length})` : value;
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (field.message !== undefined) return describeRequest(field.message, value as Message);
  return value;
}
