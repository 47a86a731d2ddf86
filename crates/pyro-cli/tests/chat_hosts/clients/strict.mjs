// The TypeScript SDK's client, which checks structured content of results
// against the tools' output schemas and throws where they differ.
//
// strict.mjs SDK-FOLDER SERVER-WORDS STEPS; `$name` in an argument is the field
// of that name in an earlier result.
import { createRequire } from "node:module";

const [folder, server, steps] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

const [command, ...args] = JSON.parse(server);
const client = new Client({ name: "strict", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
// Also compiles the schemas.
const { tools } = await client.listTools();
const known = {};
const filled = (value) => {
  if (typeof value === "string" && value.startsWith("$")) return known[value.slice(1)];
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, filled(member)]));
};
const results = [];
for (const { tool, arguments: given } of JSON.parse(steps)) {
  try {
    const call = () => client.callTool({ name: tool, arguments: filled(given) });
    let result = await call();
    // What outlives its call is waited for by the same call, says its error.
    while (result.isError && result.content[0].text.includes("code: still_running")) result = await call();
    const { isError = false, structuredContent: structured = null, content } = result;
    results.push({ tool, error: isError, structured, text: content.map((part) => part.text ?? "").join("\n") });
    if (structured) Object.assign(known, structured);
  } catch (error) {
    results.push({ tool, thrown: String(error) });
  }
}
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), results }));
