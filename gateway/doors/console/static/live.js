// Fetches the page anew and puts what changed in place. Without this script the page says how to reload itself.
const EVERY_MS = 10_000;
const lost = document.getElementById("lost");

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/?live=1", { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(EVERY_MS) });
    if (answer.status === 401) return location.reload(); // the visit is over
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#live", "footer"]) {
      const [here, there] = [document.querySelector(part), fresh.querySelector(part)];
      if (!here.contains(document.activeElement)) here.replaceWith(there); // nobody loses the place they are at
    }
    document.title = fresh.title;
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

setInterval(renew, EVERY_MS);
