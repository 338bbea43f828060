// Starts the language server, and shows what it says of templates.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("forgather").get("command");
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("forgather", server, { documentSelector: [{ language: "forgather" }] });
  return client.start();
};

exports.deactivate = () => client.stop();
