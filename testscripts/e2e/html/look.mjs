// look.mjs FILE [VERDICT] checks an HTML report in a real browser: narrow and wide, light and
// dark, with touch and on paper. It must be readable, make no requests and hide nothing.
// VERDICT is the text that must be visible without scrolling. SHOTS is a directory for
// screenshots, CHROMIUM another browser.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import puppeteer from 'puppeteer-core'

const [file, want = ''] = process.argv.slice(2)
const shots = process.env.SHOTS
const url = pathToFileURL(resolve(file)).href
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(p => p && existsSync(p))
if (!executablePath) {
  console.log('FAIL there is no chromium')
  process.exit(1)
}

let passed = 0
let failed = 0
const check = (name, wrong) => {
  const list = [].concat(wrong || [])
  if (list.length === 0) passed++
  else {
    failed++
    console.log(`FAIL ${name}: ${list.slice(0, 3).join('; ')}`)
  }
}

// Returns the problem of the verdict, or of the count of verdicts if there are several. Runs in
// the page.
const wrongVerdict = want => {
  const e = document.querySelector('#total, .verdict .word')
  const head = e.id ? e : e.parentElement.querySelector('h2')
  for (const part of [e, head]) {
    const b = part.getBoundingClientRect()
    if (!part.checkVisibility() || b.height === 0 || b.top < 0 || b.bottom > innerHeight) return 'not visible without scrolling'
  }
  if (want && e.innerText !== want) return `it is ${e.innerText}`
  return head.innerText ? '' : 'without a sentence'
}

// Returns the problem of the tooltip of a button, which must be visible. Runs in the page.
const wrongTip = button => {
  const tip = document.getElementById(button.getAttribute('aria-describedby'))
  const name = button.textContent.slice(0, 20)
  if (!tip || getComputedStyle(tip).visibility !== 'visible' || !tip.textContent.trim()) return `${name}: not shown`
  const b = tip.getBoundingClientRect()
  if (b.left < 0 || b.top < 0 || b.right > innerWidth || b.bottom > innerHeight) return `${name}: outside, ${Math.round(b.left)}..${Math.round(b.right)} x ${Math.round(b.top)}..${Math.round(b.bottom)}`
  for (const [x, y] of [[b.left + 8, b.top + 8], [b.left + b.width / 2, b.top + b.height / 2], [b.right - 8, b.bottom - 8]]) {
    if (!tip.contains(document.elementFromPoint(x, y))) return `${name}: covered`
  }
}

// Returns the visible tooltips. Runs in the page.
const shown = () => [...document.querySelectorAll('[role=tooltip]')].filter(e => getComputedStyle(e).visibility === 'visible').map(e => e.textContent)

// Returns words with a contrast below 4.5 to 1 (WCAG 2.2 section 1.4.3). Runs in the page.
const pale = () => {
  const parse = c => (c.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number)
  const light = c => {
    const [r, g, b] = parse(c).map(v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const wrong = new Set()
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement
    if (!walk.currentNode.data.trim()) continue
    let behind = e
    while (behind.parentElement && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement
    // Paper is white.
    const back = (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0 ? 'rgb(255, 255, 255)' : getComputedStyle(behind).backgroundColor
    const style = getComputedStyle(e)
    const [a, b] = [light(e.closest('svg') ? style.fill : style.color), light(back)]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) wrong.add(`${e.className.baseVal ?? e.className ?? ''} ${walk.currentNode.data.trim().slice(0, 20)}: ${ratio.toFixed(2)}`)
  }
  return [...wrong]
}

// Returns labels of time lines that overlap or are outside the picture. Runs in the page.
const crowded = () => [...document.querySelectorAll('svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect()
  const boxes = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()])
  return boxes.flatMap(([name, a], i) => [
    ...(a.left < frame.left || a.right > frame.right || a.top < frame.top || a.bottom > frame.bottom ? [`${name} leaves the picture`] : []),
    ...boxes.slice(i + 1).filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2).map(([other]) => `${name} meets ${other}`),
  ])
})

// Returns text outside the page or its box. A phone widens its viewport for wide content, so
// the requested width is checked, too. Runs in the page.
const tooWide = width => {
  const wrong = []
  const w = Math.max(innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth)
  if (w > document.documentElement.clientWidth || w > width) wrong.push(`the page is ${w} wide`)
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const range = document.createRange()
  while (walk.nextNode()) {
    const box = walk.currentNode.parentElement.closest('section, .verdict, nav, .top, footer')
    if (!box || walk.currentNode.parentElement.closest('thead, [role=tooltip]')) continue
    range.selectNodeContents(walk.currentNode)
    if (range.getBoundingClientRect().right > box.getBoundingClientRect().right) wrong.push(`${walk.currentNode.data.trim().slice(0, 20)} leaves its box`)
  }
  return wrong
}

let browser
// The time limit of expect kills only this process; this also kills a browser that hangs.
setTimeout(() => {
  console.log('FAIL the browser took more than 60 s')
  browser?.process()?.kill('SIGKILL')
  process.exit(1)
}, 60_000).unref()
try {
  browser = await puppeteer.launch({
    executablePath,
    // The tests run as root, for which chromium has no sandbox.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  })
  // open opens the report in a new window.
  const open = async (name, viewport, media) => {
    const page = await browser.newPage()
    const messages = []
    const requests = []
    page.on('console', m => ['error', 'warn', 'warning', 'assert'].includes(m.type()) && messages.push(m.text()))
    page.on('pageerror', e => messages.push(String(e)))
    page.on('dialog', d => {
      messages.push(`dialog: ${d.message()}`)
      d.dismiss()
    })
    page.on('request', r => r.url() !== url && r.url() !== 'data:,' && requests.push(r.url()))
    await page.setViewport(viewport)
    const devtools = await page.createCDPSession()
    const emulate = media => devtools.send('Emulation.setEmulatedMedia', media)
    await emulate(media)
    await page.goto(url, { waitUntil: 'load' })
    const looks = async name => {
      if (shots) await page.screenshot({ path: `${shots}/${name}-first.png` })
      check(`${name}: verdict ${want}`, await page.evaluate(wrongVerdict, want))
      check(`${name}: style sheet in force`, await page.evaluate(() => getComputedStyle(document.querySelector('.verdict')).borderLeftStyle === 'solid' ? '' : 'its hash is not in the policy'))
      check(`${name}: width`, await page.evaluate(tooWide, viewport.width))
      check(`${name}: contrast`, await page.evaluate(pale))
      check(`${name}: labels of the time line`, await page.evaluate(crowded))
      if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true })
    }
    const close = async () => {
      check(`${name}: no tooltip is left`, await page.evaluate(shown))
      check(`${name}: no script and no errors`, [...messages, ...await page.evaluate(() => document.scripts.length ? ['it has a script'] : [])])
      check(`${name}: no request`, requests)
      await page.close()
    }
    return { page, emulate, looks, close }
  }
  // place scrolls to a button and returns the position for the pointer.
  const place = button => button.evaluate(e => {
    e.scrollIntoView({ block: 'start' })
    const b = e.getBoundingClientRect()
    return [b.left + Math.min(b.width, 20) / 2, b.top + 12]
  })
  const scheme = value => ({ features: [{ name: 'prefers-color-scheme', value }] })

  for (const [width, height] of [[360, 640], [1280, 800]]) {
    const { page, emulate, looks, close } = await open(width, { width, height }, scheme('light'))
    const backs = {}
    for (const light of ['light', 'dark']) {
      await emulate(scheme(light))
      const at = `${width} ${light}`
      await looks(at)
      backs[light] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      const wrong = { hover: [], focus: [] }
      const buttons = await page.$$('button[aria-describedby]')
      if (buttons.length === 0) wrong.hover.push('there is none')
      // The position of a tip is the same in dark mode.
      for (const button of light === 'light' ? buttons : buttons.slice(0, 2)) {
        await page.mouse.move(...await place(button))
        wrong.hover.push(await button.evaluate(wrongTip))
        if (shots && button === buttons[1]) await page.screenshot({ path: `${shots}/${at}-hover.png` })
        await page.mouse.move(0, 0)
        await button.focus()
        wrong.focus.push(await button.evaluate(wrongTip))
        if (shots && button === buttons[1]) await page.screenshot({ path: `${shots}/${at}-focus.png` })
        await button.evaluate(e => e.blur())
      }
      check(`${at}: tooltips on hover`, wrong.hover.filter(Boolean))
      check(`${at}: tooltips on focus`, wrong.focus.filter(Boolean))
      await page.evaluate(() => scrollTo(0, 0))
    }
    check(`${width}: light and dark differ`, backs.light === backs.dark ? backs.light : '')
    await close()
  }

  {
    const { page, looks, close } = await open('phone', { width: 360, height: 640, isMobile: true, hasTouch: true }, scheme('light'))
    await looks('phone')
    const wrong = []
    // The browser turns a tap into a click later.
    const later = async ready => {
      for (let n = 0; n < 50 && !await ready(); n++) await new Promise(r => setTimeout(r, 20))
    }
    const buttons = await page.$$('button[aria-describedby]')
    for (const button of [...buttons.slice(0, 4), buttons.at(-1)]) {
      await page.touchscreen.tap(...await place(button))
      await later(() => button.evaluate(e => document.activeElement === e))
      wrong.push(await button.evaluate(wrongTip))
      if (shots && button === buttons[1]) await page.screenshot({ path: `${shots}/phone-tap.png` })
      await page.touchscreen.tap(357, 3)
      await later(() => page.evaluate(shown).then(l => l.length === 0))
      wrong.push(...(await page.evaluate(shown)).map(t => `${t}: a tap beside it does not close it`))
    }
    check('phone: tooltips on tap', wrong.filter(Boolean))
    await close()
  }

  {
    // A4 in CSS pixels, minus margins of 1 cm. Paper is white in dark mode too.
    const { page, looks } = await open('paper', { width: 718, height: 1047 }, { media: 'print', ...scheme('dark') })
    await looks('paper')
    check('paper: meanings', await page.$$eval('[role=tooltip]', l => l.filter(e => getComputedStyle(e).visibility !== 'visible' || getComputedStyle(e).position !== 'static').map(e => e.textContent)))
    if (shots) await page.pdf({ path: `${shots}/paper.pdf`, format: 'A4', margin: { top: '1cm', bottom: '1cm', left: '1cm', right: '1cm' } })
  }
} catch (e) {
  check('the browser', String(e))
} finally {
  await browser?.close()
}
console.log(`${passed} checks passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
