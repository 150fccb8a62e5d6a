// Every text that people see, in both languages, and how it gets onto the page.

export const TEXTS = {
  en: {
    skip: "Skip to the question",
    menu: "Menu",
    model: "Model",
    language: "中文",
    theme: "Light or dark",
    sideLabel: "Conversations and documents",
    newQuestion: "New question",
    conversations: "Conversations",
    documents: "Documents you added",
    upload: "Add documents",
    dropHint: "or drop files here. PDF, Word, Excel, PowerPoint, web pages, mails, text.",
    answers: "Questions and answers",
    question: "Your question",
    placeholder: "Ask your documents…",
    send: "Ask",
    stop: "Stop",
    note: "Answers cite your documents. Click a number to read the source.",
    sourceLabel: "Source",
    openSource: "Open in its own tab",
    close: "Close",
    keyTitle: "This server needs a key",
    keyText: "Paste the API key that you were given. It stays in this browser tab.",
    key: "API key",
    keySave: "Continue",
    welcome: "What would you like to know?",
    welcomeText: "Nacre reads your documents, answers with word-for-word citations, and says so when they hold no answer.",
    you: "You",
    thinking: "Reading the documents…",
    changed_kept: "The document has changed since; this is the version that was cited.",
    changed_lost: "The document has changed since; the version that was cited is not kept.",
    steps: "Steps",
    chart: "Chart drawn by the program",
    program: "Program",
    result: "Result",
    sources: "Sources",
    page: "p. {n}",
    again: "Ask again",
    request: "Request",
    modelPlain: "Answer (nacre)",
    modelStrict: "Strict (nacre-strict)",
    modelPal: "Compute (nacre-pal)",
    modelAgent: "Research (nacre-agent)",
    how: "How this answer came about",
    loading: "Loading…",
    calls: "What was called",
    passages: "Passages found",
    score: "score",
    time: "Time",
    tokens: "tokens",
    tokenCount: "Tokens in + out",
    problem: "Ended with",
    layer: "Layer",
    search: "Search",
    tool: "Tool",
    asked: "Was given",
    said: "Gave back",
    observation: "What came back",
    good: "Good answer",
    bad: "Bad answer",
    thanks: "Thank you. Noted for the evaluation.",
    copy: "Copy",
    copied: "Copied",
    notCopied: "The browser does not let this page copy. Mark the text and copy it by hand.",
    abstained: "No answer in the documents",
    closest: "Only the closest passage",
    uncited: "Without a citation",
    understood: "Understood as:",
    suggestions: "Also answered here",
    approval: "Before going on, this needs your approval:",
    approve: "Approve",
    decline: "Decline",
    stopped: "Stopped.",
    remove: "Delete",
    empty: "None yet",
    uploading: "Uploading",
    in_progress: "Reading…",
    completed: "Ready",
    failed: "Failed",
    cancelled: "Cancelled",
    seesPublic: "Sees public documents",
    seesAs: "Sees as",
    offline: "The server does not answer. Is it running?",
    citation: "Open source",
  },
  zh: {
    skip: "跳到提问框",
    menu: "菜单",
    model: "模型",
    language: "English",
    theme: "浅色或深色",
    sideLabel: "对话与文档",
    newQuestion: "新问题",
    conversations: "对话",
    documents: "您添加的文档",
    upload: "添加文档",
    dropHint: "或将文件拖到此处。支持 PDF、Word、Excel、PowerPoint、网页、邮件、文本。",
    answers: "问题与回答",
    question: "您的问题",
    placeholder: "向文档提问……",
    send: "提问",
    stop: "停止",
    note: "回答均引用您的文档。点击编号即可查看出处。",
    sourceLabel: "出处",
    openSource: "在新标签页中打开",
    close: "关闭",
    keyTitle: "此服务器需要密钥",
    keyText: "请粘贴您获得的 API 密钥。它只保存在此浏览器标签页中。",
    key: "API 密钥",
    keySave: "继续",
    welcome: "您想了解什么？",
    welcomeText: "Nacre 阅读您的文档，逐字引用作答；文档中没有答案时会如实说明。",
    you: "您",
    thinking: "正在阅读文档……",
    changed_kept: "文档此后已有改动；这里显示的是当时引用的版本。",
    changed_lost: "文档此后已有改动；当时引用的版本没有保留。",
    steps: "步骤",
    chart: "程序绘制的图表",
    program: "程序",
    result: "结果",
    sources: "出处",
    page: "第 {n} 页",
    again: "重新提问",
    request: "请求编号",
    modelPlain: "回答（nacre）",
    modelStrict: "严格（nacre-strict）",
    modelPal: "计算（nacre-pal）",
    modelAgent: "研究（nacre-agent）",
    how: "这个回答是如何得出的",
    loading: "正在加载……",
    calls: "调用过程",
    passages: "检索到的段落",
    score: "得分",
    time: "用时",
    tokens: "token",
    tokenCount: "读取 + 生成 token",
    problem: "结束原因",
    layer: "层",
    search: "检索",
    tool: "工具",
    asked: "输入",
    said: "输出",
    observation: "返回内容",
    good: "回答得好",
    bad: "回答不好",
    thanks: "谢谢，已记入评测集。",
    copy: "复制",
    copied: "已复制",
    notCopied: "浏览器不允许此页面复制。请选中文字后手动复制。",
    abstained: "文档中没有答案",
    closest: "仅为最接近的内容",
    uncited: "没有引用来源",
    understood: "理解为：",
    suggestions: "这些内容还能回答",
    approval: "继续之前需要您批准：",
    approve: "批准",
    decline: "拒绝",
    stopped: "已停止。",
    remove: "删除",
    empty: "暂无",
    uploading: "正在上传",
    in_progress: "正在阅读……",
    completed: "就绪",
    failed: "失败",
    cancelled: "已取消",
    seesPublic: "可见公开文档",
    seesAs: "可见身份",
    offline: "服务器没有响应。它在运行吗？",
    citation: "打开出处",
  },
};

let language = localStorage.getItem("nacre.text.language") || (navigator.language.startsWith("zh") ? "zh" : "en");

export const t = (name) => TEXTS[language][name];
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
