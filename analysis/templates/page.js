// Makes the charts of the page answer: values under the pointer, series on and off, zoom by dragging, the keyboard. The
// lines are those that are there: they are moved and stretched, and the axes are named anew.
'use strict';
(() => {
  const runs = JSON.parse(document.getElementById('data').textContent);
  const NS = 'http://www.w3.org/2000/svg';
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const whole = new Intl.NumberFormat('en');
  const scientific = value => value.toExponential(2).replace('e+', 'e');
  const short = value => {
    const size = Math.abs(value);
    if (value === 0) return '0';
    return size >= 0.01 && size < 1000 ? String(Number(value.toPrecision(3))) : scientific(value);
  };
  const numbers = text => text.split(' ').map(Number);

  // What a zoomed axis names: multiples of 1, 2 or 5 times a power of ten, at most `most` of them.
  const roundSteps = (low, high, most) => {
    let step = 1;
    for (let power = 1; ; power *= 10) {
      const fit = [1, 2, 5].find(digit => (high - low) / (digit * power) <= most);
      if (fit) { step = fit * power; break; }
    }
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push([at, whole.format(at)]);
    return ticks;
  };
  // The same of powers of ten, or of what lies between two of them.
  const logSteps = (low, high, most) => {
    const span = high - low;
    const ticks = [];
    if (span < 0.35) {
      for (let i = 0; i < 5; i++) { const at = low + span * (i + 0.5) / 5; ticks.push([at, scientific(10 ** at)]); }
      return ticks;
    }
    const stride = Math.ceil(span / most);
    for (let power = Math.floor(low / stride) * stride; power <= high; power += stride) {
      for (const digit of span < 2.2 ? [1, 2, 5] : [1]) {
        const at = power + Math.log10(digit);
        if (at >= low && at <= high) ticks.push([at, `${digit}e${power}`]);
      }
    }
    return ticks;
  };

  // Index of the point next to an iteration; the arrays are in order.
  const nearest = (iterations, at) => {
    let [low, high] = [0, iterations.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (iterations[middle] < at) low = middle + 1; else high = middle;
    }
    return low > 0 && at - iterations[low - 1] < iterations[low] - at ? low - 1 : low;
  };
  const rateAt = (run, at) => run.rates.reduce((rate, [from, next]) => from <= at ? next : rate, null);

  for (const figure of document.querySelectorAll('.chart')) chart(figure);

  function chart(figure) {
    figure.classList.add('live');
    const plot = figure.querySelector('.plot');
    const svg = plot.querySelector('svg');
    const legend = figure.querySelector('.legend');
    const buttons = [...legend.querySelectorAll('button[data-run]')];
    const series = buttons.map(button => ({ ...runs[button.dataset.run], run: button.dataset.run, style: button.className, dashes: button.dataset.dashes, button, shown: button.getAttribute('aria-pressed') === 'true' }));
    const shownAtFirst = new Set(series.filter(one => one.shown));
    const single = series.length === 1;
    let records = figure.dataset.records === 'true';
    let view = null;    // [iteration from, to, log10 of the loss from, to]; null shows all
    let cursor = null;  // an iteration
    let brush = null;   // where dragging began and is

    // What was drawn, and where: the frame and what its edges stand for.
    const drawn = numbers(figure.dataset.domain);
    const [left, top, right, bottom] = numbers(svg.dataset.frame);
    const lines = svg.querySelector('.lines');
    const linesOf = kind => [...lines.querySelectorAll(`.${kind}`)].map(line => [line, series.find(one => one.run === line.dataset.run)]);
    const recordLines = linesOf('records');
    const meanLines = linesOf('line');
    const axes = svg.querySelector('.axes');
    const axisParts = [...axes.querySelectorAll('.tick, .minor')];
    const layer = svg.querySelector('.over');

    const button = (text, press) => {
      const made = document.createElement('button');
      made.type = 'button';
      made.textContent = text;
      made.addEventListener('click', press);
      legend.append(made);
      return made;
    };
    for (const one of series) {
      one.button.disabled = false;
      one.button.addEventListener('click', () => {
        one.shown = !one.shown;
        one.button.setAttribute('aria-pressed', one.shown);
        draw();
      });
    }
    const recordsButton = button('every record', () => { records = !records; draw(); });
    recordsButton.dataset.switch = 'records';
    // Of a short run its one line is that already.
    recordsButton.hidden = single && series[0].line === recordsButton.textContent;
    const resetButton = button('show all', () => { view = null; draw(); });
    resetButton.dataset.reset = '';
    const tip = document.createElement('div');
    tip.className = 'tip';
    tip.hidden = true;
    plot.append(tip);
    const said = document.createElement('p');
    said.className = 'visually-hidden';
    said.setAttribute('aria-live', 'polite');
    figure.append(said);
    svg.setAttribute('tabindex', '0');
    svg.setAttribute('role', 'application');
    svg.setAttribute('aria-label', `${svg.getAttribute('aria-label')}. Arrows move along the curves, plus and minus zoom, 0 shows all.`);

    let domain = drawn;
    const visible = () => series.filter(one => one.shown);
    // Of a single run the mean and the records are switched apart.
    const recorded = () => records ? series.filter(one => one.shown || single) : [];
    const toX = (at, of = domain) => left + (at - of[0]) / (of[1] - of[0]) * (right - left);
    const toY = (log, of = domain) => bottom - (log - of[2]) / (of[3] - of[2]) * (bottom - top);
    const fromX = x => domain[0] + (x - left) / (right - left) * (domain[1] - domain[0]);
    const fromY = y => domain[2] + (bottom - y) / (bottom - top) * (domain[3] - domain[2]);

    // The lowest and the highest log10 of the loss between two iterations.
    function heights(from, to) {
      let [low, high] = [Infinity, -Infinity];
      for (const [iterations, losses] of [...visible().map(one => one.mean), ...recorded().map(one => one.records)]) {
        for (let i = 0; i < iterations.length; i++) {
          if (iterations[i] < from || iterations[i] > to) continue;
          low = Math.min(low, losses[i]);
          high = Math.max(high, losses[i]);
        }
      }
      if (!(low <= high)) return [-1, 0];
      [low, high] = [Math.log10(low), Math.log10(high)];
      const pad = Math.max(0.04 * (high - low), (1 - (high - low)) / 2, 0.02);
      return [low - pad, high + pad];
    }
    function everything() {
      if (single || (!records && series.every(one => one.shown === shownAtFirst.has(one)))) return drawn;
      const last = Math.max(1, ...visible().map(one => one.last));
      return [0, last, ...heights(0, last)];
    }

    function draw() {
      domain = view || everything();
      const [from, to] = [[toX(drawn[0]), toY(drawn[2])], [toX(drawn[1]), toY(drawn[3])]];
      const [across, down] = [(to[0] - from[0]) / (right - left), (from[1] - to[1]) / (bottom - top)];
      lines.setAttribute('transform', `matrix(${across} 0 0 ${down} ${from[0] - across * left} ${from[1] - down * bottom})`);
      const shown = new Set(recorded());
      for (const [line, one] of recordLines) line.toggleAttribute('hidden', !shown.has(one));
      for (const [line, one] of meanLines) line.toggleAttribute('hidden', !one.shown);
      name('x', domain[0] === drawn[0] && domain[1] === drawn[1], roundSteps(domain[0], domain[1], 8), at => [toX(at), 0]);
      name('y', domain[2] === drawn[2] && domain[3] === drawn[3], logSteps(domain[2], domain[3], 9), at => [0, toY(at)]);
      recordsButton.setAttribute('aria-pressed', records);
      resetButton.hidden = view === null;
      over();
    }

    // Names an axis: as it was drawn, or by copies of one of its labels.
    function name(axis, asDrawn, ticks, place) {
      const own = axisParts.filter(part => part.classList.contains(axis));
      for (const part of own) part.toggleAttribute('hidden', !asDrawn);
      for (const copy of axes.querySelectorAll(`.copy.${axis}`)) copy.remove();
      const model = own.find(part => part.classList.contains('tick'));
      if (asDrawn || !model) return;
      const at = Number(model.dataset.at);
      const [x, y] = axis === 'x' ? [toX(at, drawn), 0] : [0, toY(at, drawn)];
      for (const [value, label] of ticks) {
        const copy = model.cloneNode(true);
        const to = place(value);
        copy.setAttribute('transform', `translate(${to[0] - x} ${to[1] - y})`);
        copy.classList.add('copy');
        copy.removeAttribute('hidden');
        copy.querySelector('text').textContent = label;
        axes.prepend(copy);
      }
    }

    // What lies over the curves: the brush, the cursor and its values.
    function over() {
      layer.replaceChildren();
      tip.hidden = true;
      if (brush) {
        const [x0, y0, x1, y1] = brushed();
        make('rect', { class: 'brush', x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, layer);
        return;
      }
      if (cursor === null || cursor < domain[0] || cursor > domain[1]) return;
      const near = visible().filter(one => cursor <= one.last && one.mean[0].length).map(one => {
        const i = nearest(one.mean[0], cursor);
        return { one, at: one.mean[0][i], loss: one.mean[1][i] };
      });
      if (!near.length) return;
      // Snap to the point of the series that has one closest by.
      const snap = near.reduce((best, point) => Math.abs(point.at - cursor) < Math.abs(best.at - cursor) ? point : best);
      const x = toX(snap.at);
      make('path', { class: 'cursor', d: `M${x} ${top}V${bottom}` }, layer);
      tip.replaceChildren();
      const line = (parent, text, tag) => { const made = document.createElement(tag || 'span'); made.textContent = text; parent.append(made); return made; };
      const epoch = near.length === 1 && snap.one.epoch ? `, epoch ${(snap.at * snap.one.epoch).toFixed(1)}` : '';
      line(tip, `iteration ${whole.format(snap.at)}${epoch}`, 'b');
      for (const { one, loss } of near) {
        const y = toY(Math.log10(loss));
        if (y >= top && y <= bottom) make('circle', { class: 'dot', cx: x, cy: y, r: 45, style: `fill: var(--${one.style})` }, layer);
        const row = line(tip, '', 'div');
        const key = make('svg', { viewBox: '0 0 32 8', class: one.style }, row);
        make('path', { d: 'M1 4H31', 'stroke-dasharray': one.dashes }, key);
        line(row, single ? one.line : one.name);
        line(row, short(loss)).className = 'value';
      }
      if (near.length === 1) {
        const [iterations, losses] = snap.one.records;
        const add = (name, value) => { const row = line(tip, '', 'div'); line(row, name); line(row, value).className = 'value'; };
        if (iterations.length) add('a record nearby', short(losses[nearest(iterations, snap.at)]));
        const rate = rateAt(snap.one, snap.at);
        if (rate) add('step size', short(rate));
      }
      tip.hidden = false;
      const scale = plot.clientWidth / svg.viewBox.baseVal.width;
      const room = plot.clientWidth - tip.offsetWidth;
      const place = x * scale + 14;
      tip.style.left = `${clamp(place > room ? x * scale - tip.offsetWidth - 14 : place, 0, Math.max(0, room))}px`;
      tip.style.top = `${top * scale}px`;
    }

    // The brush's rectangle. A flat one zooms along the iterations only, a narrow one along the loss only.
    function brushed() {
      let [x0, x1] = [brush.from[0], brush.to[0]].sort((a, b) => a - b);
      let [y0, y1] = [brush.from[1], brush.to[1]].sort((a, b) => a - b);
      const [flat, narrow] = [y1 - y0 < 240, x1 - x0 < 240];
      if (flat) [y0, y1] = [top, bottom];
      if (narrow && !flat) [x0, x1] = [left, right];
      return [clamp(x0, left, right), clamp(y0, top, bottom), clamp(x1, left, right), clamp(y1, top, bottom), flat];
    }
    const where = event => {
      const box = svg.getBoundingClientRect();
      const { width, height } = svg.viewBox.baseVal;
      return [(event.clientX - box.left) / box.width * width, (event.clientY - box.top) / box.height * height];
    };
    svg.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      cursor = fromX(where(event)[0]);
      brush = { from: where(event), to: where(event), moved: false };
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener('pointermove', event => {
      const at = where(event);
      cursor = clamp(fromX(at[0]), domain[0], domain[1]);
      if (brush) {
        brush.to = at;
        brush.moved ||= Math.hypot(at[0] - brush.from[0], at[1] - brush.from[1]) > 80;
        if (!brush.moved) return;
      }
      over();
    });
    svg.addEventListener('pointerup', event => {
      const done = brush;
      if (done && done.moved) {
        const [x0, y0, x1, y1, flat] = brushed();
        const [from, to] = [fromX(x0), fromX(x1)];
        if (to - from >= 1) view = [from, to, ...(flat ? heights(from, to) : [fromY(y1), fromY(y0)])];
      }
      brush = null;
      if (done && done.moved) draw(); else over();
    });
    svg.addEventListener('pointercancel', () => { brush = null; over(); });
    svg.addEventListener('pointerleave', () => { if (!brush) { cursor = null; over(); } });
    svg.addEventListener('dblclick', () => { view = null; draw(); });
    svg.addEventListener('keydown', event => {
      const width = domain[1] - domain[0];
      const middle = cursor === null ? domain[0] + width / 2 : cursor;
      const zoom = factor => {
        const all = everything();
        const half = clamp(width * factor, 2, all[1] - all[0]) / 2;
        const centre = clamp(middle, all[0] + half, all[1] - half);
        view = half * 2 >= all[1] - all[0] ? null : [centre - half, centre + half, ...heights(centre - half, centre + half)];
        cursor = middle;
      };
      const step = width / (event.shiftKey ? 10 : 60);
      if (event.key === 'ArrowLeft') cursor = clamp(middle - step, domain[0], domain[1]);
      else if (event.key === 'ArrowRight') cursor = clamp(middle + step, domain[0], domain[1]);
      else if (event.key === '+' || event.key === '=') zoom(0.5);
      else if (event.key === '-') zoom(2);
      else if (event.key === '0' || event.key === 'Escape') view = null;
      else return;
      event.preventDefault();
      draw();
      said.textContent = tip.hidden ? '' : [...tip.children].map(child => child.innerText.replace(/\s+/g, ' ')).join(', ');
    });
    svg.addEventListener('blur', () => { cursor = null; over(); });
    draw();
  }
})();
