"""What the demo shop says, in the languages of the web tier's pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from epay_transfers.producers.web.words import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopWords:
    language: str  #: its own name for itself
    title: str
    no_money: str
    sandbox: str
    choose: str
    card: str
    number: str
    expiry: str
    name: str
    pay: str
    test_card: str
    bought: str
    goods: Mapping[str, tuple[str, str]]  #: by code: what it is, and what the bank will do
    states: Mapping[str, str]


WORDS: Mapping[str, ShopWords] = dict(
    zip(
        LANGUAGES,
        (
            ShopWords(
                language="Русский",
                title="Учебный магазин",
                no_money="Деньги здесь не движутся: банк —",
                sandbox="песочница",
                choose="Что вам предложить?",
                card="Ваша карта",
                number="Номер",
                expiry="Действует до",
                name="Имя на карте",
                pay="Оплатить",
                test_card="Указана одна из открытых тестовых карт банка.",
                bought="Куплено сегодня",
                goods={
                    "concert": ("Билет на концерт", "3-D Secure: банк спросит пароль"),
                    "bicycle": ("Велосипед на день", "оплачивается сразу, без вопросов"),
                    "carpet": ("Ковёр-самолёт", "банк отклонит: денег не хватит"),
                    "tea": ("Чай в степи", "в конце банк замолчит"),
                },
                states={
                    "queued": "в очереди",
                    "sending": "отправляется",
                    "parked": "ждёт вас",
                    "resumed": "подтверждается",
                    "confirming": "подтверждается",
                    "in_doubt": "спрашиваем банк",
                    "needs_review": "проверяется",
                    "dead": "не отправлено",
                    "paid": "оплачено",
                    "reversed": "возвращено",
                    "declined": "отклонено",
                    "expired": "время вышло",
                    "cancelled": "отменено",
                },
            ),
            ShopWords(
                language="Қазақша",
                title="Оқу дүкені",
                no_money="Мұнда ақша қозғалмайды: банк —",
                sandbox="құмсалғыш",
                choose="Не қалайсыз?",
                card="Сіздің картаңыз",
                number="Нөмірі",
                expiry="Жарамды мерзімі",
                name="Картадағы аты-жөні",
                pay="Төлеу",
                test_card="Банктің ашық сынақ карталарының бірі енгізілген.",
                bought="Бүгін сатып алынғаны",
                goods={
                    "concert": ("Концертке билет", "3-D Secure: банк құпиясөз сұрайды"),
                    "bicycle": ("Бір күндік велосипед", "бірден, сұрақсыз төленеді"),
                    "carpet": ("Ұшатын кілем", "банк қабылдамайды: ақша жетпейді"),
                    "tea": ("Даладағы шай", "соңында банк үндемей қалады"),
                },
                states={
                    "queued": "кезекте",
                    "sending": "жіберілуде",
                    "parked": "сізді күтуде",
                    "resumed": "расталуда",
                    "confirming": "расталуда",
                    "in_doubt": "банктен сұраудамыз",
                    "needs_review": "тексерілуде",
                    "dead": "жіберілмеді",
                    "paid": "төленді",
                    "reversed": "қайтарылды",
                    "declined": "қабылданбады",
                    "expired": "уақыты бітті",
                    "cancelled": "бас тартылды",
                },
            ),
            ShopWords(
                language="English",
                title="Demo shop",
                no_money="No money moves here: the bank is a",
                sandbox="sandbox",
                choose="What would you like?",
                card="Your card",
                number="Number",
                expiry="Good until",
                name="Name on the card",
                pay="Pay",
                test_card="One of the bank's public test cards is filled in.",
                bought="Bought today",
                goods={
                    "concert": ("A concert ticket", "3-D Secure: the bank asks for a password"),
                    "bicycle": ("A day on a bicycle", "paid at once, no questions asked"),
                    "carpet": ("A carpet that flies", "the bank declines: too little money"),
                    "tea": ("Tea on the steppe", "the bank goes silent at the end"),
                },
                states={
                    "queued": "queued",
                    "sending": "sending",
                    "parked": "waits for you",
                    "resumed": "confirming",
                    "confirming": "confirming",
                    "in_doubt": "asking the bank",
                    "needs_review": "in review",
                    "dead": "not sent",
                    "paid": "paid",
                    "reversed": "given back",
                    "declined": "declined",
                    "expired": "time is up",
                    "cancelled": "cancelled",
                },
            ),
        ),
        strict=True,
    )
)
