"""A headless Chromium that opens pages from disk and tells what it finds there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

SCREENSHOTS = 'TESSPHOT_SCREENSHOTS'
"""Environment variable: folder for the pictures of pages (default: benchmark-output/screenshots)."""

_IDLE = """
const wanted = arguments[0];
return window.Bokeh && Bokeh.documents.length >= wanted && Bokeh.documents.every(one => one.is_idle)
    && document.readyState === "complete" && performance.now();
"""
_DATA = """
for (const one of Bokeh.documents) {
    const found = one.get_model_by_name(arguments[0]);
    if (found) return Object.fromEntries(
        Object.entries(found.data).map(([name, values]) => [name, Array.from(values)]));
}
"""
_DEEP = """
const found = [], look = root => {
    found.push(...root.querySelectorAll(arguments[0]));
    for (const element of root.querySelectorAll("*")) if (element.shadowRoot) look(element.shadowRoot);
};
look(document);
return found;
"""


def programs() -> tuple[str, str] | None:
    """Chromium and its driver; None where one of them is not installed."""
    browser = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    driver = shutil.which('chromedriver')
    return (browser, driver) if browser and driver else None


class Browser:
    """One window without a network; use it as a context manager."""

    def __init__(self, width=1500, height=1000):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        browser, driver = programs()
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for word in ('--headless=new', '--disable-gpu', '--no-sandbox', f'--window-size={width},{height}',
                     '--host-resolver-rules=MAP * ~NOTFOUND'):
            options.add_argument(word)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.driver.quit()

    def open(self, path, fragment='', pictures=1) -> float:
        """Open a file; seconds until so many pictures are drawn."""
        self.driver.get('about:blank')
        self.driver.get(Path(path).resolve().as_uri() + fragment)
        return self.wait(lambda: self.run(_IDLE, pictures)) / 1000

    def wait(self, condition, seconds=20):
        """What a condition gives as soon as it is true."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f'not within {seconds} s: {self.complaints()}'
            time.sleep(0.02)
        return found

    def run(self, script, *arguments):
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector) -> list:
        """Elements behind a CSS selector, those within shadow roots as well."""
        return self.run(_DEEP, selector)

    def texts(self, selector) -> list[str]:
        """What they say."""
        return [element.text for element in self.all(selector)]

    def data(self, name) -> dict:
        """Columns of a source of the page, by its name."""
        return self.run(_DATA, name)

    def complaints(self) -> list[str]:
        """What the pages have said on the console since this was asked last, but for Bokeh's timing."""
        return [entry['message'] for entry in self.driver.get_log('browser')
                if not (entry['level'] == 'INFO' and 'document idle at' in entry['message'])]

    def picture(self, name) -> Path:
        """Save the whole page as it is."""
        folder = Path(os.environ.get(SCREENSHOTS) or 'benchmark-output/screenshots')
        folder.mkdir(parents=True, exist_ok=True)
        before = self.driver.get_window_size()
        height = self.run('return document.documentElement.scrollHeight')
        self.driver.set_window_size(before['width'], min(height + 150, 5000))
        time.sleep(0.5)  # pictures fit themselves to the window
        self.driver.save_screenshot(str(folder / f'{name}.png'))
        self.driver.set_window_size(before['width'], before['height'])
        return folder / f'{name}.png'
