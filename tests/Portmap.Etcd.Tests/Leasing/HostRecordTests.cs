using Google.Protobuf;
using Portmap.Etcd.Leasing;

namespace Portmap.Etcd.Tests.Leasing;

/// <summary>Whose host key may be taken over at once: that of a process of this machine, of this
/// boot and of this pid namespace, which lives no more.</summary>
public sealed class HostRecordTests
{
    private readonly HostRecord _own = HostRecord.OfThis("host");

    /// <summary>Its number is another process's by now.</summary>
    private HostRecord Gone => _own with { ProcessStart = _own.ProcessStart + 1 };

    [Fact]
    public void IsOfDeadProcessHere_ThisProcess_IsFalse() => _own.IsOfDeadProcessHere.Should().BeFalse();

    [Fact]
    public void IsOfDeadProcessHere_NumberIsAnotherProcessesNow_IsTrue() => Gone.IsOfDeadProcessHere.Should().BeTrue();

    [Fact]
    public void IsOfDeadProcessHere_AnotherBoot_IsFalse() => (Gone with { Boot = Guid.NewGuid() }).IsOfDeadProcessHere.Should().BeFalse("it is another machine's, or nobody knows");

    [Fact]
    public void IsOfDeadProcessHere_AnotherPidNamespace_IsFalse() => (Gone with { Namespace = "pid:[1]" }).IsOfDeadProcessHere.Should().BeFalse("there the number means another process");

    [Fact]
    public void Parse_WhatWasWritten_IsTheSame() => HostRecord.Parse(_own.ToValue()).Should().Be(_own);

    [Fact]
    public void Parse_LeasesThatWereLeft_AreThese() =>
        HostRecord.Parse((_own with { Left = [7, long.MaxValue] }).ToValue()).Left.Should().Equal(7, long.MaxValue);

    [Theory]
    [InlineData("""{"left":7}""")]
    [InlineData("""{"left":[null,"7",0.5,{}]}""")]
    public void Parse_LeftIsNoSuchThing_IsEmpty(string value) => HostRecord.Parse(ByteString.CopyFromUtf8(value)).Left.Should().BeEmpty();
}
