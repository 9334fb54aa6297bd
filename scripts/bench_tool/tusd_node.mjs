// The published tus server for Node, as its manual starts it; PEER_FILES names its folder.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.env.PEER_PACKAGES + "/"));
const { Server } = await import(pathToFileURL(require.resolve("@tus/server")));
const { FileStore } = await import(pathToFileURL(require.resolve("@tus/file-store")));

const datastore = new FileStore({ directory: process.env.PEER_FILES });
new Server({ path: "/files", datastore }).listen({
  host: "127.0.0.1",
  port: Number(process.env.PEER_PORT),
});
