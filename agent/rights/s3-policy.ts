import { metadataKeys, type RightsRequest } from "./role.ts";

/** A statement of Amazon's policy language, which other S3 servers read as well. */
interface Statement {
  Sid: string;
  Effect: "Allow" | "Deny";
  Principal?: { AWS: string[] };
  Action?: string[];
  NotAction?: string[];
  Resource?: string[];
  NotResource?: string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

export interface S3Policy {
  Version: "2012-10-17";
  Statement: Statement[];
}

/**
 * The policy of one role. With a principal (the ARN of a user or role) it is for the bucket, without
 * one for the user. A bucket's policy also takes away what others have given to that principal.
 */
export function s3Policy(request: RightsRequest, principal: string | undefined): S3Policy {
  const given = statementsOf(request, { isForBucket: principal !== undefined });
  const who = principal === undefined ? {} : { Principal: { AWS: [principal] } };
  return {
    Version: "2012-10-17",
    Statement: given.map(({ Sid, Effect, ...rest }) => ({ Sid, Effect, ...who, ...rest })),
  };
}

function statementsOf(request: RightsRequest, options: { isForBucket: boolean }): Statement[] {
  switch (request.role) {
    case "host":
      return hostStatements(request, options);
    case "restorer":
      return [...listing(request), allow("DbctlRead", readActions, objects(request, "*"))];
    case "pruner":
      return [
        ...listing(request),
        allow("DbctlRead", readActions, objects(request, "*")),
        allow("DbctlMark", ["s3:PutObject"], objects(request, "~control/*")),
        allow("DbctlRemove", ["s3:DeleteObject", "s3:DeleteObjectVersion"], objects(request, "*")),
      ];
    case "controller":
      return [
        ...listing(request),
        allow("DbctlRead", readActions, objects(request, ...metadataKeys)),
        allow(
          "DbctlLock",
          ["s3:PutObjectRetention", "s3:PutObjectLegalHold"],
          [...objects(request, "*")],
        ),
      ];
  }
}

/**
 * What else there is to do, once more by name: Ceph passes over statements with `NotAction`, and
 * there, as in every bucket with access lists, an object's uploader owns it and may read it.
 */
const others = [
  "s3:Get*",
  "s3:List*",
  "s3:Delete*",
  "s3:Abort*",
  "s3:Restore*",
  "s3:PutObjectAcl",
  "s3:PutObjectVersionAcl",
  "s3:PutObjectTagging",
  "s3:PutObjectRetention",
  "s3:PutObjectLegalHold",
  "s3:BypassGovernanceRetention",
  "s3:PutBucket*",
  "s3:PutLifecycleConfiguration",
  "s3:PutReplicationConfiguration",
];

/**
 * `s3:if-none-match` is how Amazon's own store refuses to write over an object, whoever asks and
 * however; the parts of an upload are no object yet (`s3:ObjectCreationOperation`). A server that
 * does not know these keys passes the statement over: there, a bucket that keeps versions is what
 * keeps the first bytes.
 */
function hostStatements(
  request: RightsRequest,
  { isForBucket }: { isForBucket: boolean },
): Statement[] {
  const own = objects(request, `${request.instance}/*`);
  const create = ["s3:PutObject"];
  const nowhereElse: Statement = {
    Sid: "DbctlNowhereElse",
    Effect: "Deny",
    Action: create,
    NotResource: own,
  };
  return [
    allow("DbctlCreate", create, own),
    { Sid: "DbctlNothingElse", Effect: "Deny", NotAction: create, Resource: wholeBucket(request) },
    { Sid: "DbctlNoneOfThese", Effect: "Deny", Action: others, Resource: wholeBucket(request) },
    // In a user's own policy it would deny them all other buckets.
    ...(isForBucket ? [nowhereElse] : []),
    {
      Sid: "DbctlNeverOver",
      Effect: "Deny",
      Action: create,
      Resource: own,
      Condition: {
        Null: { "s3:if-none-match": "true" },
        Bool: { "s3:ObjectCreationOperation": "true" },
      },
    },
  ];
}

const readActions = [
  "s3:GetObject",
  "s3:GetObjectVersion",
  "s3:GetObjectRetention",
  "s3:GetObjectLegalHold",
];

function listing(request: RightsRequest): Statement[] {
  const bucket = [`arn:aws:s3:::${request.bucket}`];
  const ask = ["s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"];
  const list = allow("DbctlList", ["s3:ListBucket", "s3:ListBucketVersions"], bucket);
  const below = { StringLike: { "s3:prefix": [`${request.prefix}*`] } };
  return [
    allow("DbctlAsk", ask, bucket),
    request.prefix === "" ? list : { ...list, Condition: below },
  ];
}

function allow(Sid: string, Action: string[], Resource: string[]): Statement {
  return { Sid, Effect: "Allow", Action, Resource };
}

function objects({ bucket, prefix }: RightsRequest, ...keys: string[]): string[] {
  return keys.map((key) => `arn:aws:s3:::${bucket}/${prefix}${key}`);
}

function wholeBucket({ bucket }: RightsRequest): string[] {
  return [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
}
