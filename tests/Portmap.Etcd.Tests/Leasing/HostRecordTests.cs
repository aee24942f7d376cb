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
}
