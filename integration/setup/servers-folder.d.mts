export const serversFolder: string;
