/** Keys without a modifier, as a stack: what is shown last hears them first. In a text field they are letters. */
import { useEffect, useRef } from "preact/hooks";

/** Those that move and change nothing: they go on while they are held. What acts is pressed anew for each act. */
const moving: ReadonlySet<string> = new Set(["j", "k"]);

export type Keys = Readonly<Record<string, () => void>>;

const layers: { current: Keys }[] = [];

/** Heard while the component is there. */
export function useKeys(keys: Keys): void {
  const layer = useRef(keys);
  layer.current = keys;
  useEffect(() => {
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, []);
}

export function listenForKeys(target: Window): void {
  target.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    // A question before the page hears its own keys.
    if (document.querySelector("dialog.confirm[open]")) return;
    const element = event.target instanceof HTMLElement ? event.target : undefined;
    if (element && isTyping(element)) {
      if (event.key === "Escape") element.blur();
      return;
    }
    // Enter on a button or a link is for that.
    if (event.key === "Enter" && element?.closest("a, button, summary")) return;
    const heard = layers.findLast(({ current }) => Object.hasOwn(current, event.key))?.current[event.key];
    if (!heard) return;
    event.preventDefault();
    if (!event.repeat || moving.has(event.key)) heard();
  });
}

function isTyping(element: HTMLElement): boolean {
  if (element instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit"].includes(element.type);
  return element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
}
