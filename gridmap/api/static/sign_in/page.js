// Sends name and password as JSON, and goes on to where the server says it may.

const TEXTS = {
  "zh-CN": {
    title: "登录", note: "请使用街道或社区发给您的账号。", name: "账号", password: "密码",
    show: "显示密码", submit: "登录", newPassword: "新密码（至少 10 个字符）",
    change: "修改密码", keep: "不修改密码", save: "修改密码并登录",
    weak: "新密码过短、过于简单，或与原密码相同。请用四个互不相关的词。", other: "English", otherLang: "en",
    empty: "请填写账号和密码。", wrong: "账号或密码不正确。",
    forbidden: "此账号目前不能登录，请联系管理员。",
    often: (s) => `尝试次数过多，请在 ${s} 秒后再试。`,
    away: "服务暂时不可用，请稍后再试。", offline: "无法连接服务器，请检查网络。",
  },
  en: {
    title: "Sign in", note: "Use the account that your office gave you.", name: "Name",
    password: "Password", show: "Show the password", submit: "Sign in",
    newPassword: "New password (10 characters or more)",
    change: "Change the password", keep: "Keep the password", save: "Change it and sign in",
    weak: "The new password is too short, guessed too easily, or the old one. "
      + "Take four words that have nothing to do with each other.",
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
const changing = document.querySelector("#changing");
const newPassword = form.elements.new;
let texts = TEXTS["zh-CN"];

function speak(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  document.title = `${texts.title} · ${language === "en" ? "gridmap" : "网格地图"}`;
  for (const each of document.querySelectorAll("[data-text]")) {
    each.textContent = texts[each.dataset.text];
  }
  sayWhatIsDone();
  const other = document.querySelector("#language");
  other.textContent = texts.other;
  other.lang = texts.otherLang;
  error.textContent = "";
}

function sayWhatIsDone() {
  button.textContent = changing.hidden ? texts.submit : texts.save;
  document.querySelector("#change").textContent = changing.hidden ? texts.change : texts.keep;
}

function complain(text, field) {
  error.textContent = text;
  for (const each of [name, password, newPassword]) each.toggleAttribute("aria-invalid", false);
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

// So that the next page of this site knows that there is a session to ask for.
function tellPages() {
  try {
    localStorage.setItem("gridmap.signed-in", "1");
  } catch {
    // Where a browser keeps nothing, one signs in from the page itself.
  }
}

async function signIn() {
  const given = { name: name.value, password: password.value };
  if (!changing.hidden) given.newPassword = newPassword.value;
  const here = document.baseURI.split("?")[0];
  const answer = await fetch(changing.hidden ? here : `${here}/password`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(given),
  });
  if (answer.ok) {
    tellPages();
    // The server has looked at it; a last look that it stays on this one.
    const next = new URL(main.dataset.next, location.origin);
    location.replace(next.origin === location.origin ? next.href : "/");
    return true;
  }
  if (answer.status === 401) {
    password.value = "";
    complain(texts.wrong, password);
  } else if (answer.status === 400 && !changing.hidden) {
    complain(texts.weak, newPassword);
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
  if (!name.value || !password.value || (!changing.hidden && !newPassword.value)) {
    complain(texts.empty, !name.value ? name : password.value ? newPassword : password);
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
  for (const each of [password, newPassword]) each.type = event.target.checked ? "text" : "password";
});
document.querySelector("#change").addEventListener("click", () => {
  changing.hidden = !changing.hidden;
  newPassword.required = !changing.hidden;
  sayWhatIsDone();
  complain("");
  if (!changing.hidden) newPassword.focus();
});
document.querySelector("#language").addEventListener("click", () => speak(texts.otherLang));
// Before this came, a press would have done nothing, or sent the form as the browser does it.
for (const each of document.querySelectorAll("button")) each.disabled = false;
name.focus();
