// Files of the kernel's machine as downloads: each is fetched part by part, put together here and saved by the browser.
//
// Kernel → browser   files (trait): [{name, size}]; {type: "part", token, next, done} with a buffer; {type: "failed", token}
// Browser → kernel   {type: "part", token, file, at}
//
// No address of a server is needed, so it works in JupyterLab, in Voilà and behind a proxy alike.

const KEEP = 60_000; // ms until the browser has surely begun to save

function render({ model, el }) {
  const token = Math.random().toString(36).slice(2);
  const box = document.createElement("div");
  box.className = "ct-downloads";
  el.append(box);
  let parts = [];
  let current = null; // number of the file being fetched

  const ask = (at) => model.send({ type: "part", token, file: current, at });

  const draw = (done = "") => {
    box.replaceChildren(
      ...model.get("files").map((file, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "ct-button ct-quiet";
        button.textContent = `Download ${file.name} (${i === current ? done || "…" : file.size})`;
        button.title = "Save a copy on this computer";
        button.disabled = current !== null;
        button.addEventListener("click", () => {
          parts = [];
          current = i;
          draw();
          ask(0);
        });
        return button;
      }),
    );
  };

  const end = () => {
    parts = [];
    current = null;
    draw();
  };

  const hear = (message, buffers) => {
    if (message.token !== token || current === null) return;
    if (message.type === "failed") return end();
    // A copy: the message's own memory is not kept.
    parts.push(new Blob([buffers[0]]));
    if (!message.done) {
      draw(`${Math.round(100 * message.share)} %`);
      return ask(message.next);
    }
    const link = document.createElement("a");
    const address = URL.createObjectURL(new Blob(parts));
    link.href = address;
    link.download = model.get("files")[current].name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), KEEP);
    end();
  };

  const changed = () => end();
  model.on("msg:custom", hear);
  model.on("change:files", changed);
  draw();
  return () => {
    model.off("msg:custom", hear);
    model.off("change:files", changed);
  };
}

export default { render };
