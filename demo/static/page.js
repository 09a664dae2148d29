// Ctrl-Enter (on a Mac, Command-Enter) in the field presses the button.
document.querySelector("textarea").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
});
