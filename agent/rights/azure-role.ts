import { metadataKeys, type RightsRequest } from "./role.ts";

const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
const account =
  "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/ACCOUNT";

/**
 * A custom role, and how it is to be assigned. `add/action` is the right to create a blob that is
 * not there yet: it can neither write over one nor delete nor read.
 */
export function azureRole({ role, bucket, prefix, instance }: RightsRequest) {
  const [create, read, remove] = [`${blobs}/add/action`, `${blobs}/read`, `${blobs}/delete`];
  const actions = {
    host: [create],
    restorer: [read],
    pruner: [read, create, remove],
    controller: [read],
  }[role];
  const conditions = {
    host: instance === "*" ? [] : [only(create, startsWith(`${prefix}${instance}/`))],
    restorer: [],
    pruner: [only(create, startsWith(`${prefix}~control/`))],
    controller: [only(read, metadata(prefix), { butFor: "Blob.List" })],
  }[role];
  return {
    role: {
      Name: `dbctl ${role}`,
      IsCustom: true,
      Description: `What a dbctl ${role} needs, and nothing else`,
      Actions: [],
      NotActions: [],
      DataActions: actions,
      NotDataActions: [],
      AssignableScopes: [account],
    },
    assignment: {
      scope: `${account}/blobServices/default/containers/${bucket}`,
      ...(conditions.length === 0
        ? {}
        : { conditionVersion: "2.0", condition: conditions.join(" AND ") }),
    },
  };
}

/** What is not that action is left to the role. */
function only(action: string, when: string, { butFor = "" } = {}): string {
  const but = butFor === "" ? "" : ` AND NOT SubOperationMatches{'${butFor}'}`;
  return `((!(ActionMatches{'${action}'}${but})) OR (${when}))`;
}

function startsWith(path: string): string {
  return `@Resource[${blobs}:path] StringStartsWith '${path}'`;
}

function metadata(prefix: string): string {
  return metadataKeys
    .map((key) => `@Resource[${blobs}:path] StringLike '${prefix}${key}'`)
    .join(" OR ");
}
