/** The page's one style: light and dark, wide and narrow. */
export const style = `
:root { color-scheme: light dark; --line: #d8dbe0; --soft: #f4f5f7; --link: #0b57d0; --faint: #5b6470; }
@media (prefers-color-scheme: dark) { :root { --line: #3a3f47; --soft: #22262c; --link: #8ab4f8; --faint: #a5adb8; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 21rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; border-right: 1px solid var(--line); font-size: 13px; }
nav h2 { font-size: 13px; margin: 1rem 0 .25rem; text-transform: capitalize; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: .1rem 0; }
main { padding: 1rem 2rem 4rem; max-width: 60rem; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
h2 { text-transform: capitalize; }
main section > h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
article { margin: 2rem 0; }
h3 { font-size: 1rem; scroll-margin-top: 1rem; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
td:nth-child(-n + 2):not(:last-child) { white-space: nowrap; }
th { color: var(--faint); font-weight: 600; }
small, .or { color: var(--faint); }
@media (max-width: 60rem) { body { display: block; } nav { position: static; height: auto; border: 0; border-bottom: 1px solid var(--line); } main { padding: 1rem; } }
`;
