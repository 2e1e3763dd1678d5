export const serversFolder: string;
export const azuriteVersion: string;
export const azuriteFolder: string;
