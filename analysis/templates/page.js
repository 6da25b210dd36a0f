// Makes the page's static charts answer: values under the pointer, series on and off, zoom by dragging, the keyboard.
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
  const short = value => {
    const size = Math.abs(value);
    if (value === 0) return '0';
    return size >= 0.01 && size < 1000 ? String(Number(value.toPrecision(3))) : value.toExponential(2).replace('e+', 'e');
  };

  // Multiples of 1, 2 or 5 times a power of ten between two values, at most `most` of them.
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

  // Labels and faint lines between two powers of ten.
  const logSteps = (low, high, most) => {
    const all = (digits) => {
      const found = [];
      for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
        for (const digit of digits) {
          const at = power + Math.log10(digit);
          if (at >= low && at <= high) found.push([at, `${digit}e${power}`, power]);
        }
      }
      return found;
    };
    const span = high - low;
    const minor = span < 5 ? all([1, 2, 3, 4, 5, 6, 7, 8, 9]) : all([1]);
    if (span < 0.35) {
      const ticks = [];
      for (let i = 0; i <= 4; i++) { const at = low + span * (i + 0.5) / 5; ticks.push([at, (10 ** at).toExponential(2).replace('e+', 'e')]); }
      return [ticks, []];
    }
    if (span < 2.2) return [all([1, 2, 5]), minor];
    const stride = Math.ceil(all([1]).length / most);
    return [all([1]).filter(tick => ((tick[2] % stride) + stride) % stride === 0), minor];
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
    const series = buttons.map(button => ({ ...runs[button.dataset.run], style: button.className, dashes: button.dataset.dashes, button, shown: button.getAttribute('aria-pressed') === 'true' }));
    const single = series.length === 1;
    let raw = figure.dataset.raw === 'true';
    let view = null;    // [iteration from, to, log10 of the loss from, to]; null shows all
    let cursor = null;  // an iteration
    let brush = null;   // where dragging began and is

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
    const rawButton = button('every record', () => { raw = !raw; draw(); });
    rawButton.dataset.raw = '';
    // Of a short run its one line is that already.
    rawButton.hidden = single && series[0].line === rawButton.textContent;
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

    let size, margin, domain;
    const visible = () => series.filter(one => one.shown);
    // Of a single run the mean and the records are switched apart.
    const recorded = () => raw ? series.filter(one => one.shown || single) : [];
    const toX = at => margin.left + (at - domain[0]) / (domain[1] - domain[0]) * (size.width - margin.left - margin.right);
    const toY = log => size.height - margin.bottom - (log - domain[2]) / (domain[3] - domain[2]) * (size.height - margin.top - margin.bottom);
    const fromX = x => domain[0] + (x - margin.left) / (size.width - margin.left - margin.right) * (domain[1] - domain[0]);
    const fromY = y => domain[2] + (size.height - margin.bottom - y) / (size.height - margin.top - margin.bottom) * (domain[3] - domain[2]);

    // The lowest and the highest log10 of the loss between two iterations.
    function heights(from, to) {
      let [low, high] = [Infinity, -Infinity];
      for (const [iterations, losses] of [...visible().map(one => one.smooth), ...recorded().map(one => one.raw)]) {
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
      const last = Math.max(1, ...(single ? series : visible()).map(one => one.last));
      return [0, last, ...heights(0, last)];
    }
    function path([iterations, losses]) {
      const [from, to] = [domain[0], domain[1]];
      let text = '';
      for (let i = 0; i < iterations.length; i++) {
        // One point beyond each edge, so that lines leave the picture and do not end before it.
        if (iterations[i + 1] < from || iterations[i - 1] > to) continue;
        text += `${text ? 'L' : 'M'}${toX(iterations[i]).toFixed(1)} ${toY(Math.log10(losses[i])).toFixed(1)}`;
      }
      return text;
    }

    function draw() {
      const width = Math.max(280, Math.round(plot.clientWidth));
      size = { width, height: Math.round(clamp(0.56 * width, 300, 470)) };
      margin = { left: 52, right: 26, top: 24, bottom: 44 };
      domain = view || everything();
      svg.setAttribute('viewBox', `0 0 ${size.width} ${size.height}`);
      svg.replaceChildren();
      const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, size.height - margin.bottom];
      const axes = make('g', { class: 'axes' }, svg);
      const [ticks, minor] = logSteps(domain[2], domain[3], 9);
      for (const [at] of minor) make('path', { class: 'minor', d: `M${left} ${toY(at).toFixed(1)}H${right}` }, axes);
      for (const [at, label] of ticks) {
        make('path', { class: 'major', d: `M${left} ${toY(at).toFixed(1)}H${right}` }, axes);
        make('text', { x: left - 8, y: toY(at) + 4, 'text-anchor': 'end' }, axes).textContent = label;
      }
      for (const [at, label] of roundSteps(domain[0], domain[1], width < 480 ? 5 : 8)) {
        make('path', { class: 'major', d: `M${toX(at).toFixed(1)} ${top}V${bottom}` }, axes);
        make('text', { x: Math.min(toX(at), width - 3.5 * label.length), y: bottom + 17, 'text-anchor': 'middle' }, axes).textContent = label;
      }
      make('text', { class: 'name', x: (left + right) / 2, y: size.height - 6, 'text-anchor': 'middle' }, axes).textContent = 'iteration';
      make('text', { class: 'name', x: left, y: 13, 'text-anchor': 'end' }, axes).textContent = 'loss f';
      const id = `${figure.id}-clip`;
      const clip = make('clipPath', { id }, svg);
      make('rect', { x: left, y: top, width: right - left, height: bottom - top }, clip);
      const lines = make('g', { class: 'lines', 'clip-path': `url(#${id})` }, svg);
      for (const one of recorded()) make('path', { class: `raw ${one.style}`, d: path(one.raw) }, lines);
      for (const one of visible()) make('path', { class: `smooth ${one.style}`, 'stroke-dasharray': one.dashes, d: path(one.smooth) }, lines);
      make('g', { class: 'over' }, svg);
      rawButton.setAttribute('aria-pressed', raw);
      resetButton.hidden = view === null;
      over();
    }

    // What lies over the curves: the brush, the cursor and its values.
    function over() {
      const layer = svg.querySelector('.over');
      layer.replaceChildren();
      tip.hidden = true;
      const [top, bottom] = [margin.top, size.height - margin.bottom];
      if (brush) {
        const [x0, y0, x1, y1] = brushed();
        make('rect', { class: 'brush', x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, layer);
        return;
      }
      if (cursor === null || cursor < domain[0] || cursor > domain[1]) return;
      const near = visible().filter(one => cursor <= one.last && one.smooth[0].length).map(one => {
        const i = nearest(one.smooth[0], cursor);
        return { one, at: one.smooth[0][i], loss: one.smooth[1][i] };
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
        if (y >= top && y <= bottom) make('circle', { class: 'dot', cx: x, cy: y, r: 4.5, style: `fill: var(--${one.style})` }, layer);
        const row = line(tip, '', 'div');
        const key = make('svg', { viewBox: '0 0 32 8', class: one.style }, row);
        make('path', { d: 'M1 4H31', 'stroke-dasharray': one.dashes }, key);
        line(row, single ? one.line : one.name);
        line(row, short(loss)).className = 'value';
      }
      if (near.length === 1) {
        const [iterations, losses] = snap.one.raw;
        const add = (name, value) => { const row = line(tip, '', 'div'); line(row, name); line(row, value).className = 'value'; };
        if (iterations.length) add('a record nearby', short(losses[nearest(iterations, snap.at)]));
        const rate = rateAt(snap.one, snap.at);
        if (rate) add('step size', short(rate));
      }
      tip.hidden = false;
      const scale = plot.clientWidth / size.width;
      const room = plot.clientWidth - tip.offsetWidth;
      const place = x * scale + 14;
      tip.style.left = `${clamp(place > room ? x * scale - tip.offsetWidth - 14 : place, 0, Math.max(0, room))}px`;
      tip.style.top = `${top * scale}px`;
    }

    // The brush's rectangle. A flat one zooms along the iterations only, a narrow one along the loss only.
    function brushed() {
      const [left, right, top, bottom] = [margin.left, size.width - margin.right, margin.top, size.height - margin.bottom];
      let [x0, x1] = [brush.from[0], brush.to[0]].sort((a, b) => a - b);
      let [y0, y1] = [brush.from[1], brush.to[1]].sort((a, b) => a - b);
      const [flat, narrow] = [y1 - y0 < 24, x1 - x0 < 24];
      if (flat) [y0, y1] = [top, bottom];
      if (narrow && !flat) [x0, x1] = [left, right];
      return [clamp(x0, left, right), clamp(y0, top, bottom), clamp(x1, left, right), clamp(y1, top, bottom), flat];
    }
    const where = event => {
      const box = svg.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width * size.width, (event.clientY - box.top) / box.height * size.height];
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
        brush.moved ||= Math.hypot(at[0] - brush.from[0], at[1] - brush.from[1]) > 8;
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
    new ResizeObserver(() => { if (Math.round(plot.clientWidth) !== size.width) draw(); }).observe(plot);
    draw();
  }
})();
