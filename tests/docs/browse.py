"""Uses the page of the quickstart in Chromium: signs up, sends messages, reloads it, takes it offline, lets it idle."""

import sys

from playwright.sync_api import sync_playwright

SHOWN = "[...document.querySelectorAll('#said li')].map((line) => line.textContent).join()"


def browse(chromium: str, address: str, *flags: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(flags))
        page = browser.new_page()
        page.clock.install()
        page.goto(address)
        page.fill("[name=username]", "dora")
        page.fill("[name=password]", "wonderland-7")
        page.click("[value='auth/signup']")
        expected = []
        for text in ("one", "two", "three"):
            page.fill("[name=text]", text)
            page.click("#say button")
            expected.append(f"dora: {text}")
            page.wait_for_function(f"{SHOWN} === '{','.join(expected)}'")
            if text == "one":
                page.reload()
            elif text == "two":
                page.context.set_offline(True)
                page.evaluate("new Promise((resolve) => setTimeout(resolve, 300))")
                page.context.set_offline(False)
            else:
                page.clock.fast_forward(26_000)  # past the heartbeat: it pings, and would show a refusal
                page.wait_for_timeout(300)
        print(page.evaluate(SHOWN))
        browser.close()


if __name__ == "__main__":
    browse(*sys.argv[1:])
