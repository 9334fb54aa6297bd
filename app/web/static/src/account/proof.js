// Asks in place who somebody is once more, before what binds others. The page keeps what was written in it.

const FEW_S = 5;
let provedAt = 0;

const page = () => `${window.location.pathname}${window.location.search}`;

export const isFresh = () => {
  const left = Number(document.body.dataset.proofLeft ?? 0);
  return left - (performance.now() - provedAt) / 1000 > FEW_S;
};

const renew = (answer) => {
  const { token } = answer.querySelector("[data-token]").dataset;
  for (const field of document.querySelectorAll("input[name=token]")) {
    field.value = token;
  }
  document.body.dataset.proofLeft = "600";
  provedAt = performance.now();
};

const read = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html").body;

// Gives true when it was proved, false when it was left, undefined when it cannot be asked here.
export const askProof = async () => {
  const asked = await fetch(`/account/proof?${new URLSearchParams({ part: "dialog", onward: page() })}`);
  if (!asked.ok) {
    return undefined;
  }
  const dialog = document.createElement("dialog");
  dialog.className = "card proof-asked";
  dialog.setAttribute("aria-labelledby", "proof-title");
  dialog.append(...(await read(asked)).childNodes);
  document.body.append(dialog);
  const before = document.activeElement;
  return new Promise((done) => {
    let isProved = false;
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      done(isProved);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target.closest("[data-close]")) {
        dialog.close();
      }
    });
    dialog.addEventListener("submit", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      const answer = await fetch("/account/proof", {
        method: "POST",
        body: new URLSearchParams(new FormData(event.target)),
      });
      const said = await read(answer);
      if (answer.ok) {
        renew(said);
        isProved = true;
        dialog.close();
      } else if (said.querySelector("#proof-title")) {
        dialog.replaceChildren(...said.childNodes);
        dialog.querySelector("input:not([type=hidden])")?.focus();
      } else {
        dialog.close();
      }
    });
    dialog.showModal();
    dialog.querySelector("input:not([type=hidden]), a")?.focus();
  });
};

// Forms that bind others are marked; without a script the archive asks on a page of its own.
export const watchForms = () => {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-binds]") || isFresh()) {
      return;
    }
    event.preventDefault();
    const { submitter } = event;
    const isProved = await askProof();
    if (isProved) {
      form.requestSubmit(submitter);
    } else if (isProved === undefined) {
      form.submit();
    }
  });
};
