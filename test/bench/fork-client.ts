import { fork } from "node:child_process";
import { type Answers, CLIENT, type Message, type Orders } from "./http-client.js";

/** Runs the client in a process of its own; `onBegin` is called when it begins to ask. */
export function runClient(orders: Orders, onBegin: () => void = () => {}): Promise<Answers> {
  return new Promise((resolve, reject) => {
    const child = fork(CLIENT, [JSON.stringify(orders)], { execArgv: ["--import", "tsx"] });
    child.on("message", (message: Message) => {
      if (message.kind === "begun") onBegin();
      else resolve(message);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The client ended with ${code}`)));
  });
}
