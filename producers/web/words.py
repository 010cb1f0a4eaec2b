"""What the client is told, in Russian, Kazakh and English. Words only: which page is shown is decided in `tier`."""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("ru", "kk", "en")


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    text: str


def _in_languages(ru: tuple[str, str], kk: tuple[str, str], en: tuple[str, str]) -> Mapping[str, Words]:
    return {language: Words(*words) for language, words in zip(LANGUAGES, (ru, kk, en), strict=True)}


PAGES: Mapping[str, Mapping[str, Words]] = {
    "waiting": _in_languages(
        ("Связываемся с банком", "Это займёт несколько секунд. Не закрывайте страницу и не платите ещё раз."),
        ("Банкпен байланысып жатырмыз", "Бұл бірнеше секунд алады. Бетті жаппаңыз, қайта төлемеңіз."),
        ("Contacting the bank", "This takes a few seconds. Do not close the page, and do not pay again."),
    ),
    "challenge": _in_languages(
        ("Переходим на страницу банка", "Ваш банк попросит подтвердить перевод."),
        ("Банктің бетіне өтеміз", "Банкіңіз аударымды растауды сұрайды."),
        ("Going to the bank’s page", "Your bank will ask you to confirm the transfer."),
    ),
    "unconfirmed": _in_languages(
        ("Банк ждёт подтверждения", "Перевод ещё не подтверждён. Деньги не списаны."),
        ("Банк растауды күтіп тұр", "Аударым әлі расталған жоқ. Ақша алынған жоқ."),
        ("The bank waits for you", "The transfer is not confirmed yet. No money was taken."),
    ),
    "paid": _in_languages(
        ("Оплачено", "Банк подтвердил перевод."),
        ("Төленді", "Банк аударымды растады."),
        ("Paid", "The bank has confirmed the transfer."),
    ),
    "declined": _in_languages(
        ("Не оплачено", "Банк отклонил перевод. Деньги не списаны."),
        ("Төленбеді", "Банк аударымды қабылдамады. Ақша алынған жоқ."),
        ("Not paid", "The bank declined the transfer. No money was taken."),
    ),
    "expired": _in_languages(
        ("Время вышло", "Перевод не подтверждён вовремя. Деньги не списаны."),
        ("Уақыт бітті", "Аударым уақытында расталмады. Ақша алынған жоқ."),
        ("Time is up", "The transfer was not confirmed in time. No money was taken."),
    ),
    "cancelled": _in_languages(
        ("Отменено", "Перевод отменён. Деньги не списаны."),
        ("Бас тартылды", "Аударымнан бас тартылды. Ақша алынған жоқ."),
        ("Cancelled", "The transfer was cancelled. No money was taken."),
    ),
    "reversed": _in_languages(
        ("Деньги возвращены", "Банк провёл перевод и вернул деньги."),
        ("Ақша қайтарылды", "Банк аударымды өткізіп, ақшаны қайтарды."),
        ("Money given back", "The bank made the transfer and gave the money back."),
    ),
    "doubt": _in_languages(
        ("Не платите ещё раз", "Мы спрашиваем банк, прошёл ли перевод. Страница обновится сама."),
        ("Қайта төлемеңіз", "Аударым өткенін банктен сұрап жатырмыз. Бет өзі жаңарады."),
        ("Do not pay again", "We are asking the bank whether the transfer went through. This page renews itself."),
    ),
    "closed": _in_languages(
        ("Страница банка не открывается", "Деньги не списаны. Этот платёж истечёт сам."),
        ("Банктің беті ашылмайды", "Ақша алынған жоқ. Бұл төлемнің мерзімі өзі бітеді."),
        ("The bank’s page can’t be opened", "No money was taken. This payment will expire by itself."),
    ),
    "unknown": _in_languages(
        ("Такого платежа нет", "Ссылка неверна или устарела."),
        ("Мұндай төлем жоқ", "Сілтеме қате немесе ескірген."),
        ("No such payment", "The link is wrong or out of date."),
    ),
    "unreadable": _in_languages(
        ("Ответ не принят", "Пришло не то, что ожидалось от страницы банка. Откройте платёж ещё раз."),
        ("Жауап қабылданбады", "Банк бетінен күтілген жауап келмеді. Төлемді қайта ашыңыз."),
        ("The answer was not taken", "It is not what the bank’s page should send. Open the payment again."),
    ),
    "away": _in_languages(
        ("Сейчас недоступно", "Не платите ещё раз: обновите страницу через минуту."),
        ("Қазір қолжетімсіз", "Қайта төлемеңіз: бетті бір минуттан кейін жаңартыңыз."),
        ("Not available now", "Do not pay again: reload this page in a minute."),
    ),
}

BUTTONS: Mapping[str, Mapping[str, str]] = {
    "continue": {"ru": "Продолжить", "kk": "Жалғастыру", "en": "Continue"},
    "start": {"ru": "Открыть платёж", "kk": "Төлемді ашу", "en": "Open the payment"},
    "home": {"ru": "Вернуться в магазин", "kk": "Дүкенге оралу", "en": "Back to the shop"},
}


def order_of(accepted: str) -> tuple[str, ...]:
    """All three, the one first that a browser's Accept-Language names first."""
    wanted = [tag.strip()[:2].lower() for tag in accepted[:200].split(",")]
    known = [language for language in wanted if language in LANGUAGES]
    return tuple(dict.fromkeys((*known, *LANGUAGES)))
