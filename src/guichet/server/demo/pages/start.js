// One-click sign-in goes through the same request as the sign-in page; the traffic switch tells how it stands.
const problem = document.getElementById("problem");
const headers = { "Content-Type": "application/json", "X-Guichet": "1" };

async function ask(path, body) {
  const response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.remedy ?? String(response.status));
  return answer;
}

function say(error) {
  problem.textContent = problem.dataset.failed.replace("{why}", error.message);
}

for (const button of document.querySelectorAll("[data-email]")) {
  button.addEventListener("click", async () => {
    problem.textContent = "";
    try {
      await ask("/api/sign-in", {
        email: button.dataset.email,
        password: document.getElementById("password").textContent,
      });
      location.href = "/desk";
    } catch (error) {
      say(error);
    }
  });
}

const traffic = document.getElementById("traffic");
const switchButton = traffic.querySelector("button");
const state = traffic.querySelector(".state");
let on = false;

function show(answer) {
  on = answer.on;
  state.classList.toggle("on", on);
  const words = on ? traffic.dataset.isOn : traffic.dataset.isOff;
  if (state.textContent !== words) state.textContent = words;
  switchButton.textContent = on ? traffic.dataset.off : traffic.dataset.on;
  for (const figure of traffic.querySelectorAll("[data-figure]"))
    figure.textContent = answer[figure.dataset.figure].toLocaleString(document.documentElement.lang);
}

switchButton.addEventListener("click", async () => {
  try {
    show(await ask("/demo/traffic", { on: !on }));
  } catch (error) {
    say(error);
  }
});

async function follow() {
  try {
    if (!document.hidden) show(await ask("/demo/traffic"));
  } catch {
    // the process stops or starts: the next look tells
  }
  setTimeout(follow, 2000);
}
void follow();
