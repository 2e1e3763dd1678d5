import type { ObjectStore } from "../object-store.ts";

/** A store below a folder, which need not exist yet. */
export declare function createFilesystemStore(folder: string): ObjectStore;

/** The folder of a `file:///path` URL. */
export declare function parseFileUrl(url: string): string;
