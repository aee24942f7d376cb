using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks.Tests;

/// <summary>The baselines do what they are compared for: all of them keep the book
/// rightly.</summary>
public class BaselineTests
{
    public static TheoryData<string> Names => ["lock", "stopwatch", "fair", "concurrent", "linear", "random"];

    [Theory]
    [MemberData(nameof(Names))]
    public void TryAcquire_WholeRange_GivesEachPortOnceAndThenNone(string name)
    {
        IPortBook book = Make(name, TimeSpan.Zero);
        int[] ports = [.. Enumerable.Range(0, 16).Select(i => Acquire(book, $"b{i}").Port)];

        ports.Order().Should().Equal(Enumerable.Range(1_000, 16));
        book.TryAcquire("one too many", out _).Should().BeFalse();
        book.PortOf("b3").Should().Be(ports[3]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TryRelease_OnceAndAgain_FreesThePortOnce(string name)
    {
        IPortBook book = Make(name, TimeSpan.Zero);
        BookClaim claim = Acquire(book, "b1");

        book.TryAcquire("b1", out _).Should().BeFalse("it has one");
        book.TryRelease(claim).Should().BeTrue();
        book.TryRelease(claim).Should().BeFalse();
        book.PortOf("b1").Should().Be(0);
        Acquire(book, "b1").Epoch.Should().BeGreaterThan(claim.Epoch);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TryAcquire_PortsThatCool_AreNotGivenAgain(string name)
    {
        IPortBook book = Make(name, TimeSpan.FromHours(1));
        List<BookClaim> claims = [.. Enumerable.Range(0, 16).Select(i => Acquire(book, $"b{i}"))];
        claims.ForEach(claim => book.TryRelease(claim));

        book.TryAcquire("next", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(0.5, 500)]
    [InlineData(0.99, 990)]
    [InlineData(1, 1_000)]
    public void NsAt_KnownDurations_IsWithin4Percent(double share, int expected)
    {
        LatencyHistogram histogram = new();
        for (int i = 1; i <= 1_000; i++)
        {
            histogram.Count(i * System.Diagnostics.Stopwatch.Frequency / 1_000_000_000);
        }

        histogram.NsAt(share).Should().BeInRange(expected, (expected * 1.04) + 1);
    }

    private static BookClaim Acquire(IPortBook book, string owner) =>
        book.TryAcquire(owner, out BookClaim? claim) ? claim : throw new InvalidOperationException($"{owner} got no port.");

    private static IPortBook Make(string name, TimeSpan reuseDelay) => name switch
    {
        "lock" => new LockBook<TickClock>(1_000, 1_015, reuseDelay),
        "stopwatch" => new LockBook<StopwatchClock>(1_000, 1_015, reuseDelay),
        "fair" => new FairBook(1_000, 1_015, reuseDelay),
        "concurrent" => new ConcurrentBook(1_000, 1_015, reuseDelay),
        "linear" => new LinearBook(1_000, 1_015, reuseDelay),
        _ => new RandomBook(1_000, 1_015, reuseDelay, seed: 1),
    };
}
