/** A damage as commands name it. */
interface Named {
  object: string;
  what: string;
  offset?: number;
  backups: readonly { id: string; tables: readonly string[] }[];
}

/** Tables and backups that one line names. */
const most = 5;

/** A line for every damage: the object, what is wrong, and whom it hits. */
export function describeDamages(damages: readonly Named[]): string[] {
  return damages.map(({ object, what, backups }) => {
    const tables = [...new Set(backups.flatMap((hit) => hit.tables))];
    const hits = [
      ...(tables.length === 0 ? [] : [`tables ${some(tables)}`]),
      ...(backups.length < 2 ? [] : [`backups ${some(backups.map(({ id }) => id))}`]),
    ];
    return `  ${object}: ${what}${hits.length === 0 ? "" : ` [${hits.join("; ")}]`}`;
  });
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
