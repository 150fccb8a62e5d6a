// Asks a server by the SDKs of JavaScript, whole and streamed, with a tool and without; prints what came, as JSON.
import OpenAI from "openai";
import { ChatOpenAI } from "@langchain/openai";
import { tool as langchainTool } from "@langchain/core/tools";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { z } from "zod";

const [baseURL, question] = process.argv.slice(2);
const apiKey = "k";
globalThis.AI_SDK_LOG_WARNINGS = false;
const told = {};
const schema = z.object({ city: z.string() });
const weather = async ({ city }) => `${city}: sunny`;
const ask = async (name, work) => {
  const late = new Promise((_, refuse) => setTimeout(() => refuse(new Error("no answer in 20 s")), 20_000).unref());
  try {
    told[name] = await Promise.race([work(), late]);
  } catch (error) {
    told[name] = `${error.name}: ${error.message}`;
  }
};
const join = async (parts) => {
  let text = "";
  for await (const part of parts) text += part;
  return text;
};

const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const functions = [{ type: "function", function: { name: "weather", description: "Weather.", parameters } }];
await ask("openai", async () => (await openai.chat.completions.create({ model: "nacre", messages })).choices[0].message.content);
await ask("openai stream", async () => {
  const stream = openai.chat.completions.stream({ model: "nacre", messages, stream_options: { include_usage: true } });
  return (await stream.finalChatCompletion()).choices[0].message.content;
});
await ask("openai tools", async () => {
  const tools = [{ ...functions[0], function: { ...functions[0].function, function: weather, parse: JSON.parse } }];
  return await openai.chat.completions.runTools({ model: "tools", messages, tools }).finalContent();
});
await ask("openai tools stream", async () => {
  const tools = [{ ...functions[0], function: { ...functions[0].function, function: weather, parse: JSON.parse } }];
  return await openai.chat.completions.runTools({ model: "tools", messages, tools, stream: true }).finalContent();
});
await ask("openai responses", async () => (await openai.responses.create({ model: "nacre", input: question })).output_text);
await ask("openai responses stream", async () => {
  const stream = openai.responses.stream({ model: "nacre", input: question });
  return (await stream.finalResponse()).output_text;
});
await ask("openai models", async () => (await openai.models.list()).data.map((model) => model.id).join());

const model = (name, more = {}) => new ChatOpenAI({ model: name, apiKey, maxRetries: 0, configuration: { baseURL }, ...more });
const clock = langchainTool(weather, { name: "weather", description: "Weather.", schema });
await ask("langchain", async () => (await model("nacre").invoke(question)).text);
const whole = async (pieces) => {
  let message;
  for await (const piece of await pieces) message = message ? message.concat(piece) : piece;
  return message;
};
const called = async (reply) => {
  const bound = model("tools").bindTools([clock]);
  const first = await reply(bound, [new HumanMessage(question)]);
  const [call] = first.tool_calls;
  const result = new ToolMessage({ content: await clock.invoke(call.args), tool_call_id: call.id });
  return (await reply(bound, [new HumanMessage(question), first, result])).text;
};
await ask("langchain stream", async () => (await whole(model("nacre").stream(question))).text);
await ask("langchain tools", () => called((bound, told) => bound.invoke(told)));
await ask("langchain tools stream", () => called((bound, told) => whole(bound.stream(told))));
await ask("langchain responses", async () => (await model("nacre", { useResponsesApi: true }).invoke(question)).text);

const vercel = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "nacre", baseURL, apiKey, includeUsage: true });
const providers = { "ai chat": vercel.chat, "ai responses": vercel.responses, "ai compatible": compatible.chatModel };
for (const [name, chosen] of Object.entries(providers)) {
  const tools = { weather: tool({ description: "Weather.", inputSchema: schema, execute: weather }) };
  const common = { maxRetries: 0, prompt: question, system: "Be brief." };
  await ask(name, async () => (await generateText({ ...common, model: chosen("nacre") })).text);
  await ask(`${name} stream`, () => join(streamText({ ...common, model: chosen("nacre") }).textStream));
  const steps = { ...common, tools, stopWhen: stepCountIs(3) };
  await ask(`${name} tools`, async () => (await generateText({ ...steps, model: chosen("tools") })).text);
  await ask(`${name} tools stream`, () => join(streamText({ ...steps, model: chosen("tools"), onError: () => {} }).textStream));
  await ask(`${name} object`, async () => {
    const made = await generateObject({ ...common, prompt: `${question} As an object.`, model: chosen("tools"), schema });
    return made.object.city;
  });
}
console.log(JSON.stringify(told));
process.exit(0);
