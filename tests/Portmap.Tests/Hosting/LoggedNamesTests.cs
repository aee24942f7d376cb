using System.Globalization;
using Portmap.Diagnostics;
using Portmap.Tests.Support;

namespace Portmap.Tests.Hosting;

/// <summary>Names come from the wire: in logs and messages they steer no terminal, break no line,
/// and fill no disk.</summary>
public class LoggedNamesTests
{
    private static readonly string s_bidi = "user" + (char)0x202E + "nimda" + (char)0x2069;

    public static TheoryData<string, string> Hostile { get; } = new()
    {
        { "a\u001b[2Jb", @"a\u001B[2Jb" },
        { "a\r\nFAKE LINE", @"a\u000D\u000AFAKE LINE" },
        { "bell\aback\btab\t", @"bell\u0007back\u0008tab\u0009" },
        { "del\u007f csi\u009b31m", @"del\u007F csi\u009B31m" },
        { s_bidi, @"user\u202Enimda\u2069" },
        { "line" + (char)0x2028 + "para" + (char)0x2029, @"line\u2028para\u2029" },
        { "mark" + (char)0x200F + (char)0x061C + (char)0xFEFF, @"mark\u200F\u061C\uFEFF" },
        { "tag" + char.ConvertFromUtf32(0xE0041), @"tag\U000E0041" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Printable_Hostile_IsWrittenAsItsNumber(string name, string printed)
    {
        Printable.Of(name).Should().Be(printed);
        Printable.Of(printed).Should().BeSameAs(printed);
    }

    [Fact]
    public void Printable_LoneSurrogates_AreWrittenAsTheirNumber() =>
        Printable.Of("lone" + (char)0xD800 + "x" + (char)0xDC00).Should().Be(@"lone\uD800x\uDC00");

    [Theory]
    [InlineData("vol0:/bricks/b1")]
    [InlineData(@"C:\bricks\b1")]
    [InlineData("Köln/日本/🧱")]
    [InlineData("")]
    public void Printable_Harmless_IsTheSameObject(string name) => Printable.Of(name).Should().BeSameAs(name);

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task LinesAndRefusals_HostileOwner_HoldNothingThatSteers(string name, string printed)
    {
        await using Scene scene = new();
        scene.Acquire(name);
        PortRefusal refusal = scene.AcquireRefused(name).ShouldExplain(PortRefusalReason.AlreadyReserved, printed);
        refusal.Owner.Should().Be(name, "the value is what it is");
        scene.Clock.Advance(TimeSpan.FromSeconds(61));

        scene.Log.Of("Expired").Should().ContainSingle().Which.Should().Contain(printed);
        new PortRefusedException(refusal).Message.Concat(refusal.ToString()).Concat(scene.Log.Of("Expired")[0])
            .Should().OnlyContain(letter => !char.IsControl(letter) && char.GetUnicodeCategory(letter) != UnicodeCategory.Format);
        new PortRefusal(PortRefusalReason.Conflict, "from a daemon: " + name).Message.Should().Contain(printed);
    }

    [Fact]
    public async Task Lines_OneOwnerFloods_AreLimitedAndCounted()
    {
        await using Scene scene = new();
        for (int i = 0; i < 500; i++)
        {
            PortLease lease = scene.Acquire("flapper");
            scene.Here.Register("thief", lease.Port);
            scene.Here.Release("thief");
            scene.Clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        PortLease other = scene.Acquire("other");
        scene.Here.Register("thief", other.Port);

        scene.Log.Of("Taken").Count(line => line.Contains("flapper", StringComparison.Ordinal)).Should().Be(1);
        scene.Log.Of("Taken").Should().Contain(line => line.Contains("other", StringComparison.Ordinal), "one owner's flood hides no other");

        scene.Clock.Advance(TimeSpan.FromSeconds(12));
        scene.Log.Of("LinesLeftOut").Should().ContainSingle().Which.Should().Contain("499").And.Contain("Taken").And.Contain("flapper");
    }

    [Fact]
    public void Limit_MoreSubjectsThanPlaces_PassesABoundedNumberInABoundedMemory()
    {
        LineLimit limit = new();
        int passed = Enumerable.Range(0, 100_000).Count(i => limit.Passes("Taken", FormattableString.Invariant($"owner{i}"), now: 1_000, out _));

        passed.Should().BeInRange(LineLimit.Places / 2, LineLimit.Places);
        long told = 0;
        limit.TellLeftOut(20_000, (_, _, count) => told += count);
        told.Should().Be(100_000 - passed);
        limit.Passes("Taken", "owner1", now: 20_000, out _).Should().BeTrue();
    }

    [Fact]
    public void LeftOut_NoLineComesAfterIt_IsToldOnceAndWhenItsPauseIsOver()
    {
        LineLimit limit = new();
        List<(string Kind, string? Subject, long Count)> told = [];
        limit.Passes("Died", "b1", now: 0, out _).Should().BeTrue();
        limit.Passes("Died", "b1", now: 1, out _).Should().BeFalse();

        limit.TellLeftOut(2, (kind, subject, count) => told.Add((kind, subject, count)));
        told.Should().BeEmpty("a line may come that tells it");
        limit.TellLeftOut(LineLimit.PauseMs, (kind, subject, count) => told.Add((kind, subject, count)));
        limit.Passes("Died", "b2", LineLimit.PauseMs, out _).Should().BeTrue();
        limit.Passes("Died", "b2", LineLimit.PauseMs, out _).Should().BeFalse();
        limit.TellLeftOut(2 * LineLimit.PauseMs, (kind, subject, count) => told.Add((kind, subject, count)));

        told.Should().Equal(("Died", "b1", 1), ("Died", "b2", 1));
    }

    [Fact]
    public void Limit_ManyThreads_PassOnceAndCountTheRest()
    {
        LineLimit limit = new();
        int passed = 0;
        Parallel.For(0, 10_000, _ => Interlocked.Add(ref passed, limit.Passes("Died", "b1", now: 0, out long _) ? 1 : 0));

        passed.Should().Be(1);
        limit.Passes("Died", "b1", LineLimit.PauseMs, out long leftOut).Should().BeTrue();
        leftOut.Should().Be(9_999);
    }
}
