import { quoteName } from "./quote.ts";

/**
 * How a column's values travel. Reading gives bytes that, sent back by LOAD DATA with
 * `CHARACTER SET binary`, make exactly the same value.
 *
 * `plain`: as the server prints it, text in the column's own character set.
 * `float`: as a double, since FLOAT is printed with six digits.
 * `enum`: the label's bytes, or for the error value (index 0) something that is no label: the
 * server then stores the error value again, with a warning.
 * `utf8`: text that the server must be told to be text (JSON of MySQL, UUID, INET4, INET6).
 */
export type ValueCodec = { codec: "plain" | "float" | "utf8" } | { codec: "enum"; zero: string };

export interface ColumnType {
  dataType: string;
  columnType: string;
  isMysql: boolean;
}

const plainTypes = new Set(
  (
    "tinyint smallint mediumint int bigint decimal double bit char varchar binary varbinary " +
    "tinytext text mediumtext longtext tinyblob blob mediumblob longblob set date time datetime " +
    "timestamp year geometry point linestring polygon multipoint multilinestring multipolygon " +
    "geometrycollection geomcollection"
  ).split(" "),
);
const textTypes = new Set(["uuid", "inet4", "inet6"]);
/** What can stand for the error value, unless it is a label. */
const zeros = ["0", "00", "000", "0000", "00000"];

/** The codec of a type, or undefined when the type is not known. */
export function chooseCodec(type: ColumnType): ValueCodec | undefined {
  const { dataType, columnType, isMysql } = type;
  if (plainTypes.has(dataType)) return { codec: "plain" };
  if (dataType === "float") return { codec: "float" };
  if (textTypes.has(dataType) || (dataType === "json" && isMysql)) return { codec: "utf8" };
  if (dataType === "json") return { codec: "plain" };
  if (dataType !== "enum") return undefined;
  const zero = zeros.find((spelling) => !columnType.includes(`'${spelling}'`));
  return zero === undefined ? undefined : { codec: "enum", zero };
}

/** The expression that a SELECT reads the column with. */
export function readExpression(column: string, codec: ValueCodec): string {
  const name = quoteName(column);
  switch (codec.codec) {
    case "plain":
      return name;
    case "float":
      return `${name} * 1e0`;
    case "utf8":
      return `CAST(${name} AS CHAR)`;
    case "enum":
      return `IF(${name} = 0, CAST('${codec.zero}' AS BINARY), CAST(${name} AS BINARY))`;
  }
}

/** What LOAD DATA assigns to the column, when it is not the bytes themselves. */
export function loadExpression(codec: ValueCodec, variable: string): string | undefined {
  return codec.codec === "utf8" ? `CONVERT(${variable} USING utf8mb4)` : undefined;
}
