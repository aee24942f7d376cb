using System.Text;
using Google.Protobuf;

namespace Portmap.Etcd.Tests;

public class FleetKeysTests
{
    private static readonly FleetKeys s_keys = new("/portmap/v1", "host-1");

    [Theory]
    [InlineData("vol0:/bricks/b1", PortProtocol.Tcp, "/portmap/v1/e/host-1/vol0:/bricks/b1")]
    [InlineData("//", PortProtocol.Udp, "/portmap/v1/u/host-1///")]
    [InlineData("größe 🚪", PortProtocol.Tcp, "/portmap/v1/e/host-1/größe 🚪")]
    public void Entry_AnyOwner_ComesBackFromItsKey(string owner, PortProtocol protocol, string key)
    {
        ByteString made = s_keys.Entry(owner, protocol);

        made.ToStringUtf8().Should().Be(key);
        s_keys.Parse(made.Span, out ReadOnlySpan<byte> host, out ReadOnlySpan<byte> name, out PortProtocol found).Should().Be(FleetKeys.Kind.Entry);
        Encoding.UTF8.GetString(host).Should().Be("host-1");
        Encoding.UTF8.GetString(name).Should().Be(owner);
        found.Should().Be(protocol);
    }

    [Theory]
    [InlineData("/portmap/v1/h/x", nameof(FleetKeys.Kind.Host))]
    [InlineData("/portmap/v1/o/vol0/x", nameof(FleetKeys.Kind.Claim))]
    [InlineData("/portmap/v1/", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/e", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/e/", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/e/x", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/e/x/", nameof(FleetKeys.Kind.Mark))]
    [InlineData("/portmap/v1/u/x/", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/e//x", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v1/q/x/y", nameof(FleetKeys.Kind.Other))]
    [InlineData("/portmap/v10/e/x/y", nameof(FleetKeys.Kind.Other))]
    [InlineData("", nameof(FleetKeys.Kind.Other))]
    public void Parse_AnyKey_SaysWhatItIs(string key, string kind) =>
        s_keys.Parse(Encoding.UTF8.GetBytes(key), out _, out _, out _).ToString().Should().Be(kind);

    /// <summary>Read as text two such names are one, and that text makes another key.</summary>
    [Theory]
    [InlineData("/portmap/v1/e/x/", "")]
    [InlineData("/portmap/v1/u/x/y", "z")]
    [InlineData("/portmap/v1/e/x", "/y")]
    [InlineData("/portmap/v1/o/y", "")]
    [InlineData("/portmap/v1/h/x", "")]
    public void Parse_KeyThatIsNoUtf8_IsNobodys(string before, string after)
    {
        byte[] key = [.. Encoding.UTF8.GetBytes(before), 0xFF, .. Encoding.UTF8.GetBytes(after)];

        s_keys.Parse(key, out _, out _, out _).Should().Be(FleetKeys.Kind.Other);
    }

    [Fact]
    public void EndOf_APrefix_IsAboveAllThatBeginWithIt()
    {
        ByteString end = FleetKeys.EndOf(s_keys.Tcp);

        end.Span.SequenceCompareTo(s_keys.Entry("\U0010FFFF", PortProtocol.Tcp).Span).Should().BePositive();
        FleetKeys.After(s_keys.Tcp).Span.SequenceCompareTo(s_keys.Tcp.Span).Should().BePositive();
    }

    [Theory]
    [InlineData("""{"port":49153,"epoch":12}""", 49_153, 12, 0)]
    [InlineData("""{"port":49153,"epoch":12,"claim":7}""", 49_153, 12, 7)]
    [InlineData("""{"later":{"a":[1]},"epoch":12,"x":null,"port":1}""", 1, 12, 0)]
    public void TryParse_AnEntry_ReadsWhatItKnows(string value, int port, long epoch, long claim)
    {
        PublishedEntry.TryParse(Encoding.UTF8.GetBytes(value), out PublishedEntry entry).Should().BeTrue();
        entry.Should().Be(new PublishedEntry((ushort)port, epoch, claim));
        PublishedEntry.TryParse(entry.ToValue().Span, out PublishedEntry again).Should().BeTrue();
        again.Should().Be(entry);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("[]")]
    [InlineData("""{"port":0,"epoch":1}""")]
    [InlineData("""{"port":65536,"epoch":1}""")]
    [InlineData("""{"port":"1","epoch":1}""")]
    [InlineData("""{"epoch":1}""")]
    [InlineData("""{"port":1,"epoch":""")]
    [InlineData("""{"port":1.5}""")]
    public void TryParse_WhatIsNoEntry_IsFalse(string value) => PublishedEntry.TryParse(Encoding.UTF8.GetBytes(value), out _).Should().BeFalse();
}
