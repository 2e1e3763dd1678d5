/**
 * Types whose binary form is the same in every supported release and needs no name or number of
 * this database: their oids are fixed (catalog header pg_type.dat). Not among them, though built in:
 * xml (declares its encoding), reg… (send oids), aclitem, pg_node_tree and the like (cannot be sent).
 * Key: oid of the type, value: oid of its array.
 */
export const arrays: Record<number, number> = {
  16: 1000, // bool
  17: 1001, // bytea
  18: 1002, // "char"
  19: 1003, // name
  20: 1016, // int8
  21: 1005, // int2
  23: 1007, // int4
  25: 1009, // text
  26: 1028, // oid
  27: 1010, // tid
  28: 1011, // xid
  29: 1012, // cid
  114: 199, // json
  600: 1017, // point
  601: 1018, // lseg
  602: 1019, // path
  603: 1020, // box
  604: 1027, // polygon
  628: 629, // line
  650: 651, // cidr
  700: 1021, // float4
  701: 1022, // float8
  718: 719, // circle
  774: 775, // macaddr8
  790: 791, // money
  829: 1040, // macaddr
  869: 1041, // inet
  1042: 1014, // bpchar
  1043: 1015, // varchar
  1082: 1182, // date
  1083: 1183, // time
  1114: 1115, // timestamp
  1184: 1185, // timestamptz
  1186: 1187, // interval
  1266: 1270, // timetz
  1560: 1561, // bit
  1562: 1563, // varbit
  1700: 1231, // numeric
  2950: 2951, // uuid
  3220: 3221, // pg_lsn
  3614: 3643, // tsvector
  3615: 3645, // tsquery
  3802: 3807, // jsonb
  3904: 3905, // int4range
  3906: 3907, // numrange
  3908: 3909, // tsrange
  3910: 3911, // tstzrange
  3912: 3913, // daterange
  3926: 3927, // int8range
  4451: 6150, // int4multirange
  4532: 6151, // nummultirange
  4533: 6152, // tsmultirange
  4534: 6153, // tstzmultirange
  4535: 6155, // datemultirange
  4536: 6157, // int8multirange
};

export const binaryTypes: ReadonlySet<number> = new Set(
  Object.entries(arrays).flatMap(([type, array]) => [Number(type), array]),
);
