// A link ends in #TICKET or #TICKET/runs/KEY/: the part behind # is sent to no server by itself.
const [ticket, ...place] = location.hash.slice(1).split("/");
if (ticket) {
  history.replaceState(null, "", location.pathname);
  const form = document.querySelector("form");
  form.elements.secret.value = ticket;
  form.elements.to.value = "/" + place.join("/");
  form.submit();
}
