// Sends name and password as JSON, and goes on to where the server says it may.

const TEXTS = {
  "zh-CN": {
    title: "登录", note: "请使用街道或社区发给您的账号。", name: "账号", password: "密码",
    show: "显示密码", submit: "登录", other: "English", otherLang: "en",
    empty: "请填写账号和密码。", wrong: "账号或密码不正确。",
    forbidden: "此账号目前不能登录，请联系管理员。",
    often: (s) => `尝试次数过多，请在 ${s} 秒后再试。`,
    away: "服务暂时不可用，请稍后再试。", offline: "无法连接服务器，请检查网络。",
  },
  en: {
    title: "Sign in", note: "Use the account that your office gave you.", name: "Name",
    password: "Password", show: "Show the password", submit: "Sign in",
    other: "中文", otherLang: "zh-CN",
    empty: "Fill in name and password.", wrong: "The name or the password is wrong.",
    forbidden: "This account cannot sign in now; ask whoever runs this server.",
    often: (s) => `Too many attempts; try again in ${s} s.`,
    away: "This is not available now; try again later.",
    offline: "The server cannot be reached; check your connection.",
  },
};

const main = document.querySelector("main");
const form = document.querySelector("form");
const error = document.querySelector("#error");
const button = form.querySelector("button[type=submit]");
const { name, password } = form.elements;
let texts = TEXTS["zh-CN"];

function speak(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  document.title = `${texts.title} · ${language === "en" ? "gridmap" : "网格地图"}`;
  for (const each of document.querySelectorAll("[data-text]")) {
    each.textContent = texts[each.dataset.text];
  }
  const other = document.querySelector("#language");
  other.textContent = texts.other;
  other.lang = texts.otherLang;
  error.textContent = "";
}

function complain(text, field) {
  error.textContent = text;
  for (const each of [name, password]) each.toggleAttribute("aria-invalid", false);
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

async function signIn() {
  const answer = await fetch(document.baseURI.split("?")[0], {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: name.value, password: password.value }),
  });
  if (answer.ok) {
    // The server has looked at it; a last look that it stays on this one.
    const next = new URL(main.dataset.next, location.origin);
    location.replace(next.origin === location.origin ? next.href : "/");
    return true;
  }
  if (answer.status === 401) {
    password.value = "";
    complain(texts.wrong, password);
  } else if (answer.status === 403) {
    complain(texts.forbidden, name);
  } else if (answer.status === 429) {
    complain(texts.often(answer.headers.get("retry-after") ?? "60"));
  } else {
    complain(texts.away);
  }
  return false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!name.value || !password.value) {
    complain(texts.empty, name.value ? password : name);
    return;
  }
  complain("");
  button.disabled = true;
  let leaves = false;
  try {
    leaves = await signIn();
  } catch {
    complain(texts.offline);
  } finally {
    button.disabled = leaves;
  }
});

document.querySelector("#show").addEventListener("change", (event) => {
  password.type = event.target.checked ? "text" : "password";
});
document.querySelector("#language").addEventListener("click", () => speak(texts.otherLang));
name.focus();
