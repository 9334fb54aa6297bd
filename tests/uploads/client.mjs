// Sends a file by tus-js-client: node client.mjs URL KEY FILE METADATA, until it is whole.
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const [url, key, file, metadata] = process.argv.slice(2);
const upload = new Upload(createReadStream(file), {
  endpoint: `${url}/v1/uploads`,
  uploadSize: statSync(file).size,
  chunkSize: 8 * 1024 * 1024,
  headers: { Authorization: `Bearer ${key}` },
  metadata: { metadata, filename: "call.wav", filetype: "audio/wav" },
  retryDelays: Array(60).fill(20),
  onError(error) {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  },
  onSuccess() {
    process.stdout.write(`${upload.url}\n`);
  },
});
upload.start();
