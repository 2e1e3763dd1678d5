import type { Secret } from "../../core/secret.ts";

export declare function generateIdentity(): Promise<{ identity: Secret; recipient: string }>;
export declare function readIdentityFile(path: string): Promise<Secret>;
