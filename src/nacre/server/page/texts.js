// Every text that people see, in both languages, and how it gets onto the page.

// English, Chinese.
export const TEXTS = {
  skip: ["Skip to the question", "跳到提问框"],
  menu: ["Menu", "菜单"],
  model: ["Model", "模型"],
  language: ["中文", "English"],
  theme: ["Light or dark", "浅色或深色"],
  sideLabel: ["Conversations and documents", "对话与文档"],
  newQuestion: ["New question", "新问题"],
  conversations: ["Conversations", "对话"],
  documents: ["Documents you added", "您添加的文档"],
  upload: ["Add documents", "添加文档"],
  dropHint: ["or drop files here. PDF, Word, Excel, PowerPoint, web pages, mails, text.", "或将文件拖到此处。支持 PDF、Word、Excel、PowerPoint、网页、邮件、文本。"],
  answers: ["Questions and answers", "问题与回答"],
  question: ["Your question", "您的问题"],
  placeholder: ["Ask your documents…", "向文档提问……"],
  send: ["Ask", "提问"],
  stop: ["Stop", "停止"],
  note: ["Answers cite your documents. Click a number to read the source.", "回答均引用您的文档。点击编号即可查看出处。"],
  sourceLabel: ["Source", "出处"],
  openSource: ["Open in its own tab", "在新标签页中打开"],
  close: ["Close", "关闭"],
  keyTitle: ["This server needs a key", "此服务器需要密钥"],
  keyText: ["Paste the API key that you were given. It stays in this browser tab.", "请粘贴您获得的 API 密钥。它只保存在此浏览器标签页中。"],
  key: ["API key", "API 密钥"],
  keySave: ["Continue", "继续"],
  welcome: ["What would you like to know?", "您想了解什么？"],
  welcomeText: ["Nacre reads your documents, answers with word-for-word citations, and says so when they hold no answer.", "Nacre 阅读您的文档，逐字引用作答；文档中没有答案时会如实说明。"],
  you: ["You", "您"],
  thinking: ["Reading the documents…", "正在阅读文档……"],
  changed_kept: ["The document has changed since; this is the version that was cited.", "文档此后已有改动；这里显示的是当时引用的版本。"],
  changed_lost: ["The document has changed since; the version that was cited is not kept.", "文档此后已有改动；当时引用的版本没有保留。"],
  steps: ["Steps", "步骤"],
  chart: ["Chart drawn by the program", "程序绘制的图表"],
  program: ["Program", "程序"],
  result: ["Result", "结果"],
  sources: ["Sources", "出处"],
  page: ["p. {n}", "第 {n} 页"],
  again: ["Ask again", "重新提问"],
  request: ["Request", "请求编号"],
  modelPlain: ["Answer (nacre)", "回答（nacre）"],
  modelStrict: ["Strict (nacre-strict)", "严格（nacre-strict）"],
  modelPal: ["Compute (nacre-pal)", "计算（nacre-pal）"],
  modelAgent: ["Research (nacre-agent)", "研究（nacre-agent）"],
  how: ["How this answer came about", "这个回答是如何得出的"],
  loading: ["Loading…", "正在加载……"],
  calls: ["What was called", "调用过程"],
  passages: ["Passages found", "检索到的段落"],
  score: ["score", "得分"],
  time: ["Time", "用时"],
  tokens: ["tokens", "token"],
  tokenCount: ["Tokens in + out", "读取 + 生成 token"],
  problem: ["Ended with", "结束原因"],
  layer: ["Layer", "层"],
  search: ["Search", "检索"],
  tool: ["Tool", "工具"],
  asked: ["Was given", "输入"],
  said: ["Gave back", "输出"],
  observation: ["What came back", "返回内容"],
  good: ["Good answer", "回答得好"],
  bad: ["Bad answer", "回答不好"],
  thanks: ["Thank you. Noted for the evaluation.", "谢谢，已记入评测集。"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  notCopied: ["The browser does not let this page copy. Mark the text and copy it by hand.", "浏览器不允许此页面复制。请选中文字后手动复制。"],
  abstained: ["No answer in the documents", "文档中没有答案"],
  closest: ["Only the closest passage", "仅为最接近的内容"],
  uncited: ["Without a citation", "没有引用来源"],
  understood: ["Understood as:", "理解为："],
  suggestions: ["Also answered here", "这些内容还能回答"],
  approval: ["Before going on, this needs your approval:", "继续之前需要您批准："],
  approve: ["Approve", "批准"],
  decline: ["Decline", "拒绝"],
  stopped: ["Stopped.", "已停止。"],
  remove: ["Delete", "删除"],
  empty: ["None yet", "暂无"],
  uploading: ["Uploading", "正在上传"],
  in_progress: ["Reading…", "正在阅读……"],
  completed: ["Ready", "就绪"],
  failed: ["Failed", "失败"],
  cancelled: ["Cancelled", "已取消"],
  seesPublic: ["Sees public documents", "可见公开文档"],
  seesAs: ["Sees as", "可见身份"],
  offline: ["The server does not answer. Is it running?", "服务器没有响应。它在运行吗？"],
  citation: ["Open source", "打开出处"],
};

let language = localStorage.getItem("nacre.text.language") || (navigator.language.startsWith("zh") ? "zh" : "en");

export const t = (name) => TEXTS[name]?.[language === "zh" ? 1 : 0];
export const otherLanguage = () => {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("nacre.text.language", language);
};

export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
    if (node.matches("button, a")) node.title = t(node.dataset.label);
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
}

export function theme(next = localStorage.getItem("nacre.theme")) {
  const dark = next ? next === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  return dark;
}
export function otherTheme() {
  const next = theme() ? "light" : "dark";
  localStorage.setItem("nacre.theme", next);
  theme(next);
}

// An element: el("li", {class: "row"}, "text", child…). Content is only ever set as text, never as HTML.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
