const answer = await fetch("notes/milk.txt");
document.getElementById("note").textContent = await answer.text();
