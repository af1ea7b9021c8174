// While /compare/IS/NO is rendered: show what the data routes of both countries hold already.
// What replaces this page with the whole one is isgware's own script, which it adds to it.
"use strict";

const known = document.getElementById("known");

for (const code of location.pathname.split("/").slice(-2)) {
  const card = known.appendChild(document.createElement("li"));
  card.textContent = decodeURIComponent(code);
  fetch(`/api/country/${code}.json`)
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then((country) => {
      card.textContent = country.name;
      for (const [label, value] of Object.entries(country.facts)) {
        const line = card.appendChild(document.createElement("div"));
        line.className = "soft";
        line.textContent = `${label}: ${value}`;
      }
    })
    .catch(() => {}); // the whole page will say what is wrong
}
