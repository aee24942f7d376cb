using System.Globalization;
using System.Text.RegularExpressions;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>An owner is 1 to 4,096 bytes of well-formed UTF-8 without U+0000, compared byte by
/// byte.</summary>
public class OwnerNameTests
{
    public static TheoryData<string> ValidOwners { get; } = new()
    {
        "a",
        " ",
        "\t",
        "\u0001",
        "vol0:/bricks/b1",
        "b1/admin",
        "日本語",
        "😀",
        "\uFFFD",
        "\uFEFFb1",
        new string('a', 4096),
        new string('é', 2048),
        string.Concat(Enumerable.Repeat("😀", 1024)),
    };

    /// <summary>Lone surrogates are written %uXXXX: the test runner would replace them on their way
    /// to the test.</summary>
    public static TheoryData<string> InvalidOwners { get; } = new()
    {
        "",
        "\0",
        "a\0b",
        "b1\0",
        "%uD800",
        "a%uD83D",
        "%uDE00a",
        "%uDE00%uD83D",
        new string('a', 4097),
        new string('é', 2048) + "a",
        string.Concat(Enumerable.Repeat("😀", 1024)) + "a",
        new string('a', 1_000_000),
    };

    [Theory]
    [MemberData(nameof(ValidOwners))]
    public async Task TryAcquire_ValidOwner_IsHeldUnderExactlyThatName(string owner)
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire(owner);

        lease.Owner.Should().Be(owner);
        scene.Registry.TryGetEntry(owner, out PortEntry entry).Should().BeTrue();
        entry.Owner.Should().Be(owner);
    }

    [Theory]
    [MemberData(nameof(InvalidOwners))]
    public async Task TryAcquire_InvalidOwner_IsRefused(string escaped)
    {
        string owner = Unescape(escaped);
        await using Scene scene = new();

        scene.AcquireRefused(owner).ShouldExplain(PortRefusalReason.InvalidOwner);
    }

    [Theory]
    [MemberData(nameof(InvalidOwners))]
    public async Task TryRegister_InvalidOwner_IsRefused(string escaped)
    {
        string owner = Unescape(escaped);
        await using Scene scene = new();

        scene.Here.RegisterRefused(owner, Scene.First).ShouldExplain(PortRefusalReason.InvalidOwner);
        scene.StateOf(Scene.First).Should().Be(PortState.Free);
    }

    [Theory]
    [MemberData(nameof(InvalidOwners))]
    public async Task Lookups_InvalidOwner_FindNothing(string escaped)
    {
        string owner = Unescape(escaped);
        await using Scene scene = new();

        scene.Registry.TryGetPort(owner, out _).Should().BeFalse();
        scene.Registry.TryGetPort(owner.AsSpan(), out _).Should().BeFalse();
        scene.Registry.TryGetEntry(owner, out _).Should().BeFalse();
        scene.Registry.TryGetEntry(owner.AsSpan(), out _).Should().BeFalse();
    }

    [Theory]
    [MemberData(nameof(InvalidOwners))]
    public async Task TryRelease_InvalidOwner_ThrowsNothing(string escaped)
    {
        string owner = Unescape(escaped);
        await using Scene scene = new();

        Action release = () => scene.Here.TryRelease(owner, out _);

        release.Should().NotThrow();
    }

    [Fact]
    public async Task TryAcquire_DefaultRequest_IsRefused()
    {
        await using Scene scene = new();

        scene.AcquireRefused(default).ShouldExplain(PortRefusalReason.InvalidOwner);
    }

    [Fact]
    public async Task TryAcquire_OverLongOwner_NamesLengthAndBound()
    {
        await using Scene scene = new();

        PortRefusal refusal = scene.AcquireRefused(new string('a', 5000));

        refusal.Message.Should().MatchRegex("5,?000").And.MatchRegex("4,?096");
        refusal.Message.Length.Should().BeLessThan(1000, "a long name must not make a long message");
    }

    [Theory]
    [InlineData("b1", "B1")]
    [InlineData("b1", "b1 ")]
    [InlineData("\u00E9", "e\u0301")]
    [InlineData("ß", "ss")]
    [InlineData("b1", "\uFEFFb1")]
    public async Task TryAcquire_NamesThatOnlyLookAlike_AreTwoOwners(string one, string other)
    {
        await using Scene scene = new();

        PortLease first = scene.Acquire(one);
        PortLease second = scene.Acquire(other);

        second.Port.Should().NotBe(first.Port);
        scene.Registry.TryGetEntry(one, out PortEntry entry).Should().BeTrue();
        entry.Port.Should().Be(first.Port);
    }

    private static string Unescape(string text) =>
        Regex.Replace(text, "%u([0-9A-F]{4})", match => ((char)ushort.Parse(match.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());
}
