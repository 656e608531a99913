// Approves a login as a person does in a browser: enters the user code on the verification
// page, confirms, logs in and consents.
//
//	node approve.mjs VERIFICATION_URI USER_CODE
const [page, code] = process.argv.slice(2);
const jar = new Map();

async function go(url, form) {
  for (let hops = 0; hops < 20; hops++) {
    const answer = await fetch(url, {
      method: form ? 'POST' : 'GET', redirect: 'manual',
      headers: { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') },
      body: form && new URLSearchParams(form),
    });
    for (const c of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(c);
      jar.set(name, value);
    }
    if (answer.status < 300 || answer.status > 399) {
      return { url, status: answer.status, text: await answer.text() };
    }
    url = new URL(answer.headers.get('location'), url).href;
    form = undefined;
  }
  throw new Error('redirected in a circle');
}

const field = (text, name) => new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1];
let at = await go(page);
at = await go(page, { xsrf: field(at.text, 'xsrf'), user_code: code, confirm: 'yes' });
for (let form = 0; form < 4 && /name="prompt"/.test(at.text); form++) {
  const action = /action="([^"]+)"/.exec(at.text)[1];
  at = await go(new URL(action, at.url).href, { prompt: field(at.text, 'prompt'), login: 'e2e-user', password: 'x' });
}
if (at.status !== 200 || !/success/i.test(at.text)) {
  console.error(`not approved: ${at.status} ${at.url}\n${at.text.replace(/<style[^]*?<\/style>|<[^>]+>/g, ' ').replace(/\s+/g, ' ').slice(0, 500)}`);
  process.exit(1);
}
