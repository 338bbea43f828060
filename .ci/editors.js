// node editors.js grammar ROOT | client EXTENSION ROOT: see the script `editors`.
const assert = require("assert");
const fs = require("fs");
const Module = require("module");
const path = require("path");
const { pathToFileURL } = require("url");

const STATEMENT = "punctuation.definition.statement.forgather";
const EXAMPLE = [ // a line, a word in it, and what the word is
  ["-- extends 'a.yaml'", "extends", "keyword.control.forgather"],
  ["        == super()", "super", "support.function.forgather"],
  ["[trainer_args]", "trainer_args", "entity.name.section.forgather"],
  ["optimizer: !partial:torch.optim.AdamW@it", "partial", "storage.type.tag.forgather"],
  ["optimizer: !partial:torch.optim.AdamW@it", "torch.optim.AdamW", "entity.name.type.forgather"],
  ["width: {{ ns.heads * 64 }}", "64", "constant.numeric.forgather"],
  ["## a note", "a note", "comment.line.forgather"],
  ["#---- part.yaml ----", "part.yaml", "entity.name.section.forgather"],
];

async function grammar(root) {
  const oniguruma = require("vscode-oniguruma");
  const { INITIAL, Registry, parseRawGrammar } = require("vscode-textmate");
  await oniguruma.loadWASM(fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
  const file = path.join(root, "editors/vscode/syntaxes/forgather.tmLanguage.json");
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: patterns => new oniguruma.OnigScanner(patterns),
      createOnigString: text => new oniguruma.OnigString(text),
    }),
    loadGrammar: async name => // VS Code has one for YAML itself
      name === "source.forgather" ? parseRawGrammar(fs.readFileSync(file, "utf-8"), file)
        : parseRawGrammar('{"scopeName": "source.yaml", "patterns": []}', "yaml.json"),
  });
  const read = await registry.loadGrammar("source.forgather");
  for (const [line, word, scope] of EXAMPLE) {
    const at = line.indexOf(word);
    const { tokens } = read.tokenizeLine(line, INITIAL);
    const token = tokens.find(t => t.startIndex <= at && at < t.endIndex);
    assert(token.scopes.includes(scope), `${line}: ${word} is ${token.scopes}`);
  }
  const counts = { files: 0, lines: 0, statements: 0 };
  for (const folder of ["templatelib", "conf"])
    for (const name of fs.readdirSync(path.join(root, folder), { recursive: true })) {
      if (!name.endsWith(".yaml")) continue;
      counts.files += 1;
      let stack = INITIAL;
      for (const line of fs.readFileSync(path.join(root, folder, name), "utf-8").split("\n")) {
        const { tokens, ruleStack } = read.tokenizeLine(line, stack);
        const seen = tokens.some(t => t.scopes.includes(STATEMENT));
        assert.equal(seen, /^\s*(--|<<|>>)\s/.test(line), `${name}: ${line}`);
        counts.lines += 1;
        counts.statements += seen;
        stack = ruleStack;
      }
      assert.equal(stack.depth, 1, `${name}: something is left open`);
    }
  console.log(counts);
}

// What the extension asks of VS Code: a setting, and a client; this one is VS Code's transport and a few messages.
async function client(extension, root) {
  const { spawn } = require("child_process");
  const rpc = require("vscode-jsonrpc/node");
  const defaults = require(path.join(extension, "package.json")).contributes.configuration.properties;
  class LanguageClient {
    constructor(id, server, options) {
      assert.deepEqual(options.documentSelector, [{ language: "forgather" }]);
      this.server = server;
    }
    async start() {
      this.child = spawn(this.server.command, this.server.args);
      this.connection = rpc.createMessageConnection(
        new rpc.StreamMessageReader(this.child.stdout), new rpc.StreamMessageWriter(this.child.stdin));
      this.connection.listen();
      LanguageClient.started = this;
      const asked = { processId: process.pid, rootUri: null, capabilities: {} };
      this.capabilities = (await this.connection.sendRequest("initialize", asked)).capabilities;
      await this.connection.sendNotification("initialized", {});
    }
    async stop() {
      await this.connection.sendRequest("shutdown");
      await this.connection.sendNotification("exit");
      await new Promise(done => this.child.on("exit", done));
    }
  }
  const given = {
    vscode: { workspace: { getConfiguration: name => ({ get: key => defaults[`${name}.${key}`].default }) } },
    "vscode-languageclient/node": { LanguageClient },
  };
  const load = Module._load;
  Module._load = (name, ...rest) => given[name] ?? load(name, ...rest);
  const it = require(path.join(extension, "extension.js"));
  await it.activate();
  const { connection, capabilities } = LanguageClient.started;
  assert(capabilities.hoverProvider && capabilities.definitionProvider);
  const text = "-- extends 'experiment/baseline.yaml'\n\n[no_such_block]\n";
  const uri = pathToFileURL(path.join(fs.mkdtempSync(path.join(extension, "mine-")), "conf/experiment/mine.yaml")).href;
  fs.mkdirSync(path.dirname(new URL(uri).pathname), { recursive: true });
  fs.writeFileSync(new URL(uri), text);
  const told = new Promise(done => connection.onNotification("textDocument/publishDiagnostics", done));
  await connection.sendNotification("textDocument/didOpen",
    { textDocument: { uri, languageId: "forgather", version: 1, text } });
  const { diagnostics } = await told;
  assert.deepEqual(diagnostics.map(d => [d.code, d.range.start.line]), [["unknown_block", 2]]);
  const target = await connection.sendRequest("textDocument/definition",
    { textDocument: { uri }, position: { line: 0, character: 15 } });
  const place = [target].flat()[0];
  assert.equal(place.uri, pathToFileURL(path.join(root, "conf/experiment/baseline.yaml")).href);
  console.log("underlined:", diagnostics[0].message);
  console.log("the definition is at", path.relative(root, new URL(place.uri).pathname));
  await it.deactivate();
}

const [what, ...where] = process.argv.slice(2);
({ grammar, client })[what](...where).catch(error => {
  console.error(error);
  process.exit(1);
});
