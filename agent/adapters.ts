import { DbctlError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { readSecretFile } from "../core/secret-file.ts";
import type { Engine, ServerFacts } from "./engines/engine.ts";
import type { Exporter } from "./engines/export/exporter.ts";
import { createMysqlEngine } from "./engines/mysql/engine.ts";
import { createScriptTarget as createMysqlScriptTarget } from "./engines/mysql/script-target.ts";
import { createMysqlExporter } from "./engines/mysql/exporter.ts";
import { type MysqlTarget, parseMysqlTarget } from "./engines/mysql/target.ts";
import { resolvePassword as resolveMysqlPassword } from "./engines/mysql/password.ts";
import { createPostgresEngine } from "./engines/postgres/engine.ts";
import { createPostgresExporter } from "./engines/postgres/exporter.ts";
import { createScriptTarget as createPostgresScriptTarget } from "./engines/postgres/script-target.ts";
import { parsePostgresTarget, type PostgresTarget } from "./engines/postgres/target.ts";
import { resolvePassword as resolvePostgresPassword } from "./engines/postgres/password.ts";
import type { ScriptTarget } from "./engines/script-target.ts";
import type { KeyService } from "./kms/key-service.ts";
import { createFilesystemStore, parseFileUrl } from "./store/filesystem/filesystem-store.ts";
import type { ObjectStore } from "./store/object-store.ts";
import {
  openTransferLimits,
  type TransferCaps,
  withTransferLimits,
} from "./store/transfer-limit.ts";

/** A database as its URL names it, without secrets. Plain data: it crosses threads. */
export type Target =
  | { engine: "postgres"; target: PostgresTarget }
  | { engine: "mysql"; target: MysqlTarget };

/** Parses a database URL; refuses one with a password in it. */
export function parseTarget(url: string): Target {
  const scheme = /^([a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase() ?? "";
  switch (scheme) {
    case "postgres":
    case "postgresql":
      return { engine: "postgres", target: parsePostgresTarget(url) };
    case "mysql":
    case "mariadb":
      return { engine: "mysql", target: parseMysqlTarget(url) };
    default:
      throw new DbctlError("usage", `Cannot use database URL ${quote(url)}: unknown scheme`, {
        remedy: "Write postgres://user@host:5432/db, mariadb://user@host:3306/db or mysql://…",
      });
  }
}

/**
 * Parses the URL of a server: a database URL whose database, which may be left out, is only where
 * the server is asked from.
 */
export function parseServer(url: string): Target {
  const [, scheme = "", authority = "", query = ""] =
    /^([a-z0-9+.-]+):\/\/([^/?#]*)\/?(\?.*)?$/is.exec(url) ?? [];
  if (scheme === "") return parseTarget(url);
  const maintenance = scheme.toLowerCase().startsWith("postgres") ? "postgres" : "mysql";
  return parseTarget(`${scheme}://${authority}/${maintenance}${query}`);
}

/** Another database of the same server. */
export function databaseOf(server: Target, database: string): Target {
  return server.engine === "postgres"
    ? { engine: "postgres", target: { ...server.target, database } }
    : { engine: "mysql", target: { ...server.target, database } };
}

/** Looks the password up where the product's own clients do: environment, then password file. */
export async function resolvePassword(
  { engine, target }: Target,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  if (engine === "postgres") return resolvePostgresPassword(target, env);
  return await resolveMysqlPassword(target, env);
}

export function createEngine(of: Target, password: Secret | undefined): Engine {
  return of.engine === "postgres"
    ? createPostgresEngine({ target: of.target, password })
    : createMysqlEngine({ target: of.target, password });
}

/** What writes a backup of such a server as files; no server takes part. */
export function createExporter(facts: ServerFacts): Exporter {
  const { flavour } = facts;
  if (flavour === "postgres") return createPostgresExporter(facts);
  if (flavour === "mariadb" || flavour === "mysql") return createMysqlExporter(facts);
  throw new DbctlError("object-unsupported", `Cannot export a backup of ${flavour}`, {
    remedy: "Use a newer dbctl, or restore the backup",
  });
}

/** A server that runs statements of others. */
export function createScriptTarget(of: Target, password: Secret | undefined): ScriptTarget {
  return of.engine === "postgres"
    ? createPostgresScriptTarget({ target: of.target, password })
    : createMysqlScriptTarget({ target: of.target, password });
}

/**
 * Opens the store of a repository URL: `file:///path`, `s3://bucket/prefix` … An adapter is loaded
 * when it is asked for: the clouds' libraries are large. `caps` bound what goes up and comes down.
 */
export async function openStore(
  url: string,
  { caps = {}, signal = new AbortController().signal }: OpenStoreOptions = {},
): Promise<ObjectStore> {
  const limits = openTransferLimits(caps);
  const options = { env: process.env, limits, signal };
  switch (/^([a-z0-9]+):/i.exec(url)?.[1]?.toLowerCase() ?? "") {
    case "s3":
    case "minio":
    case "b2": {
      const { openS3Store } = await import("./store/s3/s3-store.ts");
      return await openS3Store(url, options);
    }
    case "azure": {
      const { openAzureStore } = await import("./store/azure/azure-store.ts");
      return await openAzureStore(url, options);
    }
    case "gs":
    case "gcs": {
      const { openGcsStore } = await import("./store/gcs/gcs-store.ts");
      return await openGcsStore(url, options);
    }
    case "file":
    case "":
      return withTransferLimits(createFilesystemStore(parseFileUrl(url)), limits);
    default:
      throw new DbctlError("usage", `Cannot use repository URL ${quote(url)}: unknown scheme`, {
        remedy: "Write file:///path, s3://, minio://, b2://, azure:// or gs://bucket/prefix",
      });
  }
}

interface OpenStoreOptions {
  caps?: TransferCaps;
  signal?: AbortSignal;
}

/** Opens the key that a URL names: `awskms:///alias/name`, `vault://host:8200/transit/keys/name`. */
export async function openKeyService(url: string, env: NodeJS.ProcessEnv): Promise<KeyService> {
  const scheme = /^([a-z]+):/.exec(url)?.[1] ?? "";
  switch (scheme) {
    case "awskms": {
      const aws = await import("./kms/aws/aws-key-service.ts");
      return aws.createAwsKeyService(aws.parseAwsKmsUrl(url));
    }
    case "vault": {
      const vault = await import("./kms/vault/vault-key-service.ts");
      return vault.createVaultKeyService(vault.parseVaultUrl(url), await readVaultToken(env));
    }
    default:
      throw new DbctlError("usage", `Cannot use ${JSON.stringify(url)} as a key: unknown scheme`, {
        remedy: "Write awskms:///alias/NAME?region=… or vault://host:8200/transit/keys/NAME",
      });
  }
}

async function readVaultToken({
  VAULT_TOKEN,
  VAULT_TOKEN_FILE,
}: NodeJS.ProcessEnv): Promise<Secret> {
  const file = VAULT_TOKEN_FILE === undefined ? undefined : await readSecretFile(VAULT_TOKEN_FILE);
  const token = (VAULT_TOKEN ?? file)?.trim();
  if (token !== undefined && token !== "") return new Secret(token);
  throw new DbctlError("access-denied", "Cannot ask Vault: there is no token", {
    remedy: "Set VAULT_TOKEN, or VAULT_TOKEN_FILE to a file of mode 0600",
  });
}

/** For messages: what may be a password between `:` and `@` is left out. */
function quote(url: string): string {
  return JSON.stringify(url.replace(/:[^/@]*@/, ":…@"));
}
